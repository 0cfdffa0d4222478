/**
 * A search snippet: text with the found words marked. The server sends HTML with no tag but <mark>; it is read into
 * text parts here and never handed to the browser as HTML, so a mistake upstream cannot become a script.
 */

export interface Part {
  text: string;
  marked: boolean;
}

export function Snippet({ html }: { html: string }) {
  return parseSnippet(html).map((part, i) => (part.marked ? <mark key={i}>{part.text}</mark> : <span key={i}>{part.text}</span>));
}

export function parseSnippet(html: string): Part[] {
  let marked = false;
  return html.split(/(<\/?mark>)/).flatMap((piece) => {
    if (piece === '<mark>' || piece === '</mark>') {
      marked = piece === '<mark>';
      return [];
    }
    return piece === '' ? [] : [{ text: unescape(piece), marked }];
  });
}

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };

function unescape(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-z]+));/g, (all, decimal, hex, name) => {
    if (name !== undefined) return NAMED[name] ?? all;
    const code = decimal === undefined ? parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}
