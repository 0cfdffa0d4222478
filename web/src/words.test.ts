import { expect, test } from 'vitest';
import { age, clearing, day, duration, fileSize, noticeWords, parseTimecode, plural, remaining, stageOrder, stageWord, timecode, took, waitingWords } from './words';

test.each([
  [0, '0:00'],
  [73.9, '1:13'],
  [3725, '1:02:05'],
  [-3, '0:00'],
  [NaN, '0:00'],
])('%d seconds are %s', (seconds, text) => expect(timecode(seconds)).toBe(text));

test.each([
  ['73.2', 73.2],
  ['1:13', 73],
  ['1:02:05.5', 3725.5],
  ['0', 0],
  ['', null],
  ['-5', null],
  ['1:2:3:4', null],
  ['soon', null],
  [null, null],
])('the address says %s, the player seeks to %s', (text, seconds) => expect(parseTimecode(text)).toBe(seconds));

test.each([
  [45_000, '45 s'],
  [120_000, '2 min'],
  [3_600_000, '1 h'],
  [3_900_000, '1 h 5 min'],
])('%d ms last %s', (ms, text) => expect(duration(ms)).toBe(text));

test.each([
  [0, 'not yet a second'],
  [45, '45 s'],
  [200, '3 min'],
  [9000, '2 h'],
  [400_000, '4 days'],
])('what waits for %d seconds waits %s', (seconds, text) => expect(age(seconds)).toBe(text));

test.each([
  [720, 400, 'Clear in about 12 min; with one more worker in 6 min'],
  [720, 700, 'Clear in about 12 min'],
  [0.2, null, 'Clear in about 1 s'],
  [null, 400, 'Stands still; one more worker would clear it in about 6 min'],
  [null, null, 'Stands still'],
])('a backlog of %s s, %s s with one more worker', (now, more, text) =>
  expect(clearing({ stage: 'embed', jobs: 3, clear_seconds: now, clear_seconds_with_one_more: more })).toBe(text));

test.each([
  [80, '80 ms'],
  [1400, '1.4 s'],
  [125_000, '2:05'],
])('%d ms of work took %s', (ms, text) => expect(took(ms)).toBe(text));

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1500, '1.5 kB'],
  [999_999, '1.0 MB'],
  [2_300_000_000, '2.3 GB'],
  [48_000_000, '48 MB'],
])('%d bytes are %s', (bytes, text) => expect(fileSize(bytes)).toBe(text));

test('one page, two pages', () => {
  expect(plural(1, 'page')).toBe('1 page');
  expect(plural(2, 'page')).toBe('2 pages');
  expect(plural(0, 'entry', 'entries')).toBe('0 entries');
});

test('a day is the same day in every time zone', () => {
  expect(day('2026-11-21')).toBe('21 November 2026');
});

test('stages come in the order of the pipeline, unknown ones last', () => {
  const stages = ['publish', 'mystery', 'ingest', 'embed'];
  expect(stages.sort((a, b) => stageOrder(a) - stageOrder(b))).toEqual(['ingest', 'embed', 'publish', 'mystery']);
  expect(stageWord('mystery')).toBe('mystery');
});

test('a notice that is new to the pages is still shown', () => {
  expect(noticeWords('no_text_layer')).toMatch(/pictures of pages/);
  expect(noticeWords('new_code')).toContain('new_code');
});

test.each([
  [{ reason: 'no_free_slot', ahead: 3 }, 'Waits for a free worker, after 3 others.'],
  [{ reason: 'paused', ahead: 0, paused_by: 'Olga', note: 'new library' }, 'Paused by Olga: new library.'],
  [{ reason: 'something_new', ahead: 0 }, ''],
])('%o is said as %s', (wait, text) => expect(waitingWords(wait)).toBe(text));

test('what runs says only when it may be ready', () => {
  const wait = { reason: 'running', ahead: 0, ready_from: '2026-11-20T10:05:00', ready_to: '2026-11-20T10:20:00' };
  expect(waitingWords(wait)).toBe('Ready between 10:05 and 10:20.');
});

test.each([
  [10, 50, 'Ready in less than a minute'],
  [30, 130, 'Ready in at most 3 min'],
  [130, 290, 'Ready in 2 to 5 min'],
  [-20, -1, 'Ready any moment'],
  [5000, 7500, 'Ready in 1 h 23 min to 2 h 5 min'],
])('between %d and %d seconds from now: %s', (from, to, text) => {
  const now = Date.parse('2026-11-20T10:00:00Z');
  const time = (seconds: number) => new Date(now + seconds * 1000).toISOString();
  expect(remaining({ ready_from: time(from), ready_to: time(to) }, now)).toBe(text);
});

test('without a forecast nothing is promised', () => expect(remaining({ ready_from: null, ready_to: null }, 0)).toBeNull());
