/**
 * What this browser remembers between visits: small choices, never anything secret. A browser that forbids storage
 * gets the defaults.
 */

export interface Preference<T> {
  readonly key: string;
  read(): T;
  write(value: T): void;
  clear(): void;
}

export const CAPTION_SIZES = ['small', 'medium', 'large', 'huge'] as const;
export type CaptionSize = (typeof CAPTION_SIZES)[number];

/** On a dark box, on a lighter one that the film shines through, or outlined on the film itself. */
export const CAPTION_LOOKS = ['box', 'glass', 'outline'] as const;
export type CaptionLook = (typeof CAPTION_LOOKS)[number];

export const preferences = {
  /** Whether a refresh cookie is likely to be there, so that a visitor's first request is not a refused one. */
  signedIn: preference('signed-in', false, (v) => v === true),
  theme: preference<'system' | 'light' | 'dark'>('theme', 'system', (v) => v === 'light' || v === 'dark' || v === 'system'),
  speed: preference('speed', 1, (v) => typeof v === 'number' && v >= 0.25 && v <= 4),
  volume: preference('volume', 1, (v) => typeof v === 'number' && v >= 0 && v <= 1),
  captions: preference('captions', false, (v) => typeof v === 'boolean'),
  captionSize: preference<CaptionSize>('caption-size', 'medium', (v) => CAPTION_SIZES.some((size) => size === v)),
  captionLook: preference<CaptionLook>('caption-look', 'box', (v) => CAPTION_LOOKS.some((look) => look === v)),
  /** Of captions and transcript, as the files name it. */
  language: preference('language', '', (v) => typeof v === 'string'),
  playerKeys: preference('player-keys', true, (v) => typeof v === 'boolean'),
};

function preference<T>(name: string, otherwise: T, valid: (value: unknown) => boolean): Preference<T> {
  const key = `learnhub.${name}`;
  return {
    key,
    read() {
      try {
        const text = localStorage.getItem(key);
        if (text === null) return otherwise;
        // words are kept bare, so that public/theme.js can read them without a parser
        const value: unknown = /^[a-z]+$/.test(text) && text !== 'true' && text !== 'false' ? text : JSON.parse(text);
        return valid(value) ? (value as T) : otherwise;
      } catch {
        return otherwise;
      }
    },
    write(value) {
      try {
        localStorage.setItem(key, typeof value === 'string' ? value : JSON.stringify(value));
      } catch {
        // not remembered, then
      }
    },
    clear() {
      try {
        localStorage.removeItem(key);
      } catch {
        // nothing was remembered
      }
    },
  };
}
