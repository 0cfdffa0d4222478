import { expect, test } from 'vitest';
import { chapterAt, lengthOf, marks } from './chapters';

const CHAPTERS = [
  { start_s: 0, title: 'Welcome' },
  { start_s: 30, title: 'Leases' },
  { start_s: 90, title: 'The end' },
];

test('the chapter of a moment is the last one that has begun', () => {
  expect([0, 29.9, 29.99, 30, 89, 500].map((t) => chapterAt(CHAPTERS, t))).toEqual([0, 0, 1, 1, 1, 2]);
  expect(chapterAt([{ start_s: 5, title: 'Late' }], 2)).toBe(-1);
  expect(chapterAt([], 2)).toBe(-1);
});

test('marks stand between chapters, and none where it is not known how long the film is', () => {
  expect(marks(CHAPTERS, 120)).toEqual([0.25, 0.75]);
  expect(marks(CHAPTERS, 60)).toEqual([0.5]);
  expect(marks(CHAPTERS, 0)).toEqual([]);
});

test('a chapter lasts until the next one, the last one until the end', () => {
  expect([0, 1, 2].map((i) => lengthOf(CHAPTERS, i, 120))).toEqual([30, 60, 30]);
  expect(lengthOf(CHAPTERS, 2, 60)).toBe(0);
});
