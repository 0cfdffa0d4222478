/** Chapters in time: which one plays, and where their marks stand on the seek bar. Pure. */
import type { Chapter } from '../../api/types';

/** Index of the chapter at a time; -1 before the first one. */
export function chapterAt(chapters: readonly Chapter[], seconds: number): number {
  // players round: a seek to a chapter's start may land a hair before it
  return chapters.findLastIndex((chapter) => chapter.start_s <= seconds + 0.02);
}

/** Where one chapter ends and the next begins, as parts of the whole. The beginning and what lies outside need no mark. */
export function marks(chapters: readonly Chapter[], duration: number): number[] {
  if (duration <= 0) return [];
  return chapters.map((chapter) => chapter.start_s / duration).filter((part) => part > 0 && part < 1);
}

/** How long the chapter at an index lasts, in seconds. */
export function lengthOf(chapters: readonly Chapter[], index: number, duration: number): number {
  const start = chapters[index]?.start_s ?? 0;
  return Math.max(0, (chapters[index + 1]?.start_s ?? duration) - start);
}
