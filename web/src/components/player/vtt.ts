/**
 * WebVTT (and SRT, which differs in its comma) read into cues for the transcript. Pure. The captions on the picture
 * are the browser's own business.
 */

export interface Cue {
  /** Seconds. */
  start: number;
  /** Seconds. */
  end: number;
  /** Who speaks, where the file says so. */
  voice: string | null;
  /** Plain text, in one line. */
  text: string;
}

/** Cues in the order of their start. What cannot be read is left out: half a transcript is better than none. */
export function parseVtt(file: string): Cue[] {
  const blocks = file.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n').split(/\n{2,}/);
  return blocks.flatMap(parseBlock).sort((a, b) => a.start - b.start);
}

/** Index of the cue that is spoken at a time, or the last one before it; -1 before the first. */
export function cueAt(cues: readonly Cue[], seconds: number): number {
  let low = 0;
  let high = cues.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    // players round: a seek to a cue's start may land a hair before it
    if (cues[middle]!.start <= seconds + 0.02) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function parseBlock(block: string): Cue[] {
  const lines = block.split('\n');
  const at = lines.findIndex((line) => line.includes('-->'));
  if (at < 0) return [];
  const [from, to] = lines[at]!.split('-->');
  const start = seconds(from);
  const end = seconds(to?.trim().split(/\s/)[0]);
  const markup = lines.slice(at + 1).join(' ');
  const text = plain(markup);
  if (start === null || end === null || text === '') return [];
  return [{ start, end, voice: /<v(?:\.[^ >]*)?\s+([^>]+)>/.exec(markup)?.[1]?.trim() ?? null, text }];
}

/** `1:02:03.500` and its shorter and older spellings; null when it is no time of a caption. */
export function seconds(text: string | undefined): number | null {
  const match = /^(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})$/.exec(text?.trim() ?? '');
  if (!match) return null;
  const [, h = '0', m = '0', s = '0', fraction = '0'] = match;
  return Number(h) * 3600 + Number(m) * 60 + Number(s) + Number(`0.${fraction}`);
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', nbsp: ' ', lrm: '', rlm: '' };

function plain(markup: string): string {
  return markup
    .replace(/<[^>]*>/g, '')
    .replace(/&([a-z]+);/g, (all, name: string) => ENTITIES[name] ?? all)
    .replace(/\s+/g, ' ')
    .trim();
}
