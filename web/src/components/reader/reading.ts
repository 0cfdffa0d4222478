/**
 * The chunks of a document put together again for reading: overlaps taken out, headings where they change. Pure.
 */
import type { Chunk } from '../../api/types';

export interface Passage {
  ordinal: number;
  /** Headings that begin here, outermost first, with their depth from 1. */
  headings: { text: string; depth: number }[];
  /** "page 3", "1:13" or nothing, where it changes. */
  place: { page: number } | { second: number } | null;
  blocks: Block[];
}

export type Block = { type: 'paragraph'; text: string } | { type: 'list'; items: string[] };

export function passages(chunks: readonly Chunk[]): Passage[] {
  let path: string[] = [];
  let page = 0;
  let read = 0;
  return chunks.map((chunk) => {
    const common = chunk.heading_path.findIndex((heading, i) => heading !== path[i]);
    const from = common < 0 ? chunk.heading_path.length : common;
    path = chunk.heading_path;
    const { locator } = chunk;
    let text = chunk.text;
    let place: Passage['place'] = null;
    if (locator.type === 'time') place = { second: locator.start };
    if (locator.type === 'page' && locator.page !== page) {
      page = locator.page;
      read = 0;
      place = { page };
    }
    if (locator.type !== 'time') {
      text = withoutOverlap(text, locator, read);
      read = Math.max(read, locator.end);
    }
    return {
      ordinal: chunk.ordinal,
      headings: path.slice(from).map((heading, i) => ({ text: heading, depth: from + i + 1 })),
      place,
      blocks: blocks(text),
    };
  });
}

/** Drops from the front what the chunk before has shown already. Offsets count characters, not UTF-16 units. */
function withoutOverlap(text: string, { start, end }: { start: number; end: number }, read: number): string {
  const repeated = read - start;
  const characters = Array.from(text);
  // only where the text is the stretch itself: one that was cleaned up has another length, and is shown whole
  if (repeated <= 0 || characters.length !== end - start) return text;
  return characters.slice(repeated).join('');
}

/** Paragraphs part at blank lines; one in which every line begins with a bullet is a list. */
function blocks(text: string): Block[] {
  return text
    .split(/\n\s*\n/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const lines = part.split('\n');
      if (!lines.every((line) => BULLET.test(line))) return { type: 'paragraph', text: part };
      return { type: 'list', items: lines.map((line) => line.replace(BULLET, '')) };
    });
}

const BULLET = /^\s*[-*•]\s+/;
