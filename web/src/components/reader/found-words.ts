/**
 * Marks on a page the words that it was searched for. The server stems in its own way; here a word also matches
 * when it begins alike, which is near enough for the eye. The pattern is pure.
 */

const TOO_COMMON = new Set('a an and are as at be by can do does for from how in is it of on or that the this to was were what when where which who why will with'.split(' '));

/** Words of the query that carry meaning, with the endings that a language adds; null when there are none. */
export function wordPattern(query: string): RegExp | null {
  const words = query.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const telling = [...new Set(words)].filter((word) => word.length > 1 && !TOO_COMMON.has(word));
  if (telling.length === 0) return null;
  const alternatives = telling.map((word) => (word.length < 4 ? `${word}(?![\\p{L}\\p{N}])` : `${stem(word)}[\\p{L}\\p{N}]*`));
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${alternatives.join('|')})`, 'giu');
}

function stem(word: string): string {
  return word.length < 6 ? word.replace(/s$/, '') : word.replace(/(ations?|ings?|ies|ed|es|s|y|e)$/, '');
}

/** Wraps every match inside the text of an element into a <mark>. */
export function markWords(root: HTMLElement, pattern: RegExp): void {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts: Text[] = [];
  while (walker.nextNode()) texts.push(walker.currentNode as Text);
  for (const text of texts) {
    const pieces = split(text.data, pattern);
    if (pieces.length < 2 && !pieces[0]?.found) continue;
    text.replaceWith(
      ...pieces.map((piece) => {
        if (!piece.found) return piece.text;
        const mark = document.createElement('mark');
        mark.textContent = piece.text;
        return mark;
      }),
    );
  }
}

export function split(text: string, pattern: RegExp): { text: string; found: boolean }[] {
  const pieces: { text: string; found: boolean }[] = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > from) pieces.push({ text: text.slice(from, match.index), found: false });
    pieces.push({ text: match[0], found: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), found: false });
  return pieces;
}
