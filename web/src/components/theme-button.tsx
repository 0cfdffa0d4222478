import { NEXT, useTheme } from '../theme';
import { Icon } from './icon';

const PICTURE = { system: 'system', light: 'sun', dark: 'moon' } as const;
const WORD = { system: 'as the system', light: 'light', dark: 'dark' };

/** Goes round: as the system, light, dark. */
export function ThemeButton() {
  const [theme, setTheme] = useTheme();
  const label = `Colours: ${WORD[theme]}. Change to ${WORD[NEXT[theme]]}`;
  return (
    <button type="button" className="button icon-only" aria-label={label} title={label} onClick={() => setTheme(NEXT[theme])}>
      <Icon name={PICTURE[theme]} />
    </button>
  );
}
