/** Languages that captions are offered in: tags as the server keeps them (BCP 47), with names for people. */

const CODES = [
  ...['ar', 'bg', 'bn', 'ca', 'cs', 'da', 'de', 'el', 'en', 'es', 'et', 'eu', 'fa', 'fi', 'fr', 'ga', 'gl', 'he', 'hi', 'hr', 'hu', 'hy'],
  ...['id', 'is', 'it', 'ja', 'ka', 'ko', 'la', 'lt', 'lv', 'mk', 'mt', 'nb', 'nl', 'pl', 'pt', 'pt-BR', 'ro', 'ru', 'sk', 'sl', 'sq'],
  ...['sr', 'sv', 'sw', 'ta', 'te', 'th', 'tr', 'uk', 'ur', 'vi', 'zh', 'zh-Hant'],
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
