/** Light, dark, or as the system says. public/theme.js applies the choice before the first paint. */
import { useState } from 'react';
import { preferences } from './preferences';

export type Theme = 'system' | 'light' | 'dark';

export const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState(preferences.theme.read());
  return [
    theme,
    (next) => {
      preferences.theme.write(next);
      if (next === 'system') delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = next;
      setTheme(next);
    },
  ];
}
