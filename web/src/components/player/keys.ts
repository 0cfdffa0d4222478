/** Which key does what in the player. Pure; the player carries it out. */

export type PlayerAction =
  | { do: 'toggle' | 'mute' | 'fullscreen' | 'captions' | 'slower' | 'faster' | 'pip' | 'help' }
  | { do: 'skip'; seconds: number }
  | { do: 'louder'; by: number }
  /** Tenths of the whole. */
  | { do: 'jump'; tenths: number };

/** For the help dialog. */
export const KEY_HELP: [keys: string[], what: string][] = [
  [['Space', 'K'], 'play or pause'],
  [['J', 'L'], 'back or forward 10 seconds'],
  [['←', '→'], 'back or forward 5 seconds'],
  [['↑', '↓'], 'louder or quieter'],
  [['0', '–', '9'], 'jump to 0 % to 90 %'],
  [['<', '>'], 'slower or faster'],
  [['M'], 'sound on or off'],
  [['C'], 'captions on or off'],
  [['F'], 'full screen'],
  [['I'], 'picture in picture'],
  [['?'], 'this list'],
];

export interface Stroke {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/** What a key stroke asks for, or null when it is not the player's. */
export function actionFor(stroke: Stroke): PlayerAction | null {
  if (stroke.ctrlKey || stroke.metaKey || stroke.altKey) return null;
  if (/^\d$/.test(stroke.key)) return { do: 'jump', tenths: Number(stroke.key) };
  return ACTIONS[stroke.key.toLowerCase()] ?? null;
}

const ACTIONS: Record<string, PlayerAction> = {
  ' ': { do: 'toggle' },
  k: { do: 'toggle' },
  j: { do: 'skip', seconds: -10 },
  l: { do: 'skip', seconds: 10 },
  arrowleft: { do: 'skip', seconds: -5 },
  arrowright: { do: 'skip', seconds: 5 },
  arrowup: { do: 'louder', by: 0.1 },
  arrowdown: { do: 'louder', by: -0.1 },
  m: { do: 'mute' },
  f: { do: 'fullscreen' },
  c: { do: 'captions' },
  i: { do: 'pip' },
  '<': { do: 'slower' },
  '>': { do: 'faster' },
  '?': { do: 'help' },
};

/** Keys that a focused control needs for itself: all of them in a text field, space in a button, arrows in a slider. */
export function belongsToControl(key: string, control: { tagName: string; type?: string; isContentEditable?: boolean }): boolean {
  const tag = control.tagName.toLowerCase();
  if (control.isContentEditable || tag === 'textarea' || tag === 'select') return true;
  if (tag === 'input' && control.type === 'range') return /^(arrow|home|end|page)/i.test(key);
  if (tag === 'input' && control.type !== 'checkbox') return true;
  return ['input', 'button', 'a', 'summary'].includes(tag) && (key === ' ' || key === 'Enter');
}

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];

/** The next speed of the list in a direction. */
export function stepSpeed(speed: number, direction: 1 | -1): number {
  const beyond = direction > 0 ? SPEEDS.find((s) => s > speed) : SPEEDS.findLast((s) => s < speed);
  return beyond ?? speed;
}
