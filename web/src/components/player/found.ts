/** Where a word stands in a line, for marking it. Pure. */

export interface Piece {
  text: string;
  hit: boolean;
}

/** The line in pieces, in order. Upper and lower case are the same; an empty word is nowhere. */
export function found(line: string, word: string): Piece[] {
  const pieces: Piece[] = [];
  const low = line.toLowerCase();
  // a few letters change their length with their case: then nothing is marked rather than the wrong thing
  if (word === '' || low.length !== line.length) return [{ text: line, hit: false }];
  let from = 0;
  for (let at = low.indexOf(word.toLowerCase()); at >= 0; at = low.indexOf(word.toLowerCase(), from)) {
    if (at > from) pieces.push({ text: line.slice(from, at), hit: false });
    from = at + word.length;
    pieces.push({ text: line.slice(at, from), hit: true });
  }
  if (from < line.length) pieces.push({ text: line.slice(from), hit: false });
  return pieces;
}
