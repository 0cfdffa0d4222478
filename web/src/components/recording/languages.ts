/** Languages that captions are offered in: codes as the server keeps them (ISO 639-3), with names for people. */

const CODES = [
  ...['ara', 'ben', 'bul', 'cat', 'ces', 'cmn', 'dan', 'deu', 'ell', 'eng', 'est', 'eus', 'fas', 'fin', 'fra', 'gle', 'glg', 'heb', 'hin'],
  ...['hrv', 'hun', 'hye', 'ind', 'isl', 'ita', 'jpn', 'kat', 'kor', 'lat', 'lav', 'lit', 'mkd', 'mlt', 'nld', 'nob', 'pol', 'por', 'ron'],
  ...['rus', 'slk', 'slv', 'spa', 'sqi', 'srp', 'swa', 'swe', 'tam', 'tel', 'tha', 'tur', 'ukr', 'urd', 'vie', 'zho'],
];

const names = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'code' });

/** By name; the one that is chosen is among them, whatever it is. */
export function languages(chosen: string | null): { code: string; name: string }[] {
  const codes = chosen === null || CODES.includes(chosen) ? CODES : [...CODES, chosen];
  return codes.map((code) => ({ code, name: languageName(code) })).sort((a, b) => a.name.localeCompare(b.name));
}

export function languageName(code: string): string {
  return names.of(code) ?? code;
}
