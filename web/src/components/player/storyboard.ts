/**
 * The storyboard: WebVTT whose cues are parts of pictures, `storyboard-1.jpg#xywh=x,y,w,h`. Pure; fetched in
 * use-storyboard.ts.
 */
import { seconds } from './vtt';

export interface Thumb {
  /** Seconds. */
  start: number;
  end: number;
  /** Name of the picture, beside the WebVTT. */
  file: string;
  x: number;
  y: number;
  w: number;
  h: number;
}

/** In the order of time. What cannot be read is left out: a seek bar without pictures still seeks. */
export function parseStoryboard(vtt: string): Thumb[] {
  const blocks = vtt.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n').split(/\n{2,}/);
  return blocks.flatMap(parseBlock).sort((a, b) => a.start - b.start);
}

/** The picture of a moment; the nearest one before it where the moment falls between two. */
export function thumbAt(thumbs: readonly Thumb[], second: number): Thumb | null {
  return thumbs.findLast((thumb) => thumb.start <= second) ?? thumbs[0] ?? null;
}

function parseBlock(block: string): Thumb[] {
  const lines = block.split('\n');
  const at = lines.findIndex((line) => line.includes('-->'));
  if (at < 0) return [];
  const [from, to] = lines[at]!.split('-->');
  const start = seconds(from);
  const end = seconds(to?.trim().split(/\s/)[0]);
  // a plain name: a picture of the same folder, and of nowhere else
  const part = /^([\w.-]+)#xywh=(\d+),(\d+),(\d+),(\d+)$/.exec(lines[at + 1]?.trim() ?? '');
  if (start === null || end === null || !part) return [];
  const [x, y, w, h] = part.slice(2).map(Number) as [number, number, number, number];
  return w > 0 && h > 0 ? [{ start, end, file: part[1]!, x, y, w, h }] : [];
}

/** The address of a file beside another one: only the last part of the path changes. */
export function beside(address: string, file: string): string {
  return address.replace(/[^/]*(\?.*)?$/, file);
}
