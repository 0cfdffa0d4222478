import { expect, test } from 'vitest';
import { parseTimecode } from '../../words';
import { parseVtt } from '../player/vtt';
import { apply, clock, type EditCue, faults, type History, step, toVtt } from './cues';

const cue = (key: number, start: number, end: number, text: string, speaker = ''): EditCue => ({ key, start, end, text, speaker });
const CUES = [cue(1, 0, 4, 'A lease is a promise'), cue(2, 4, 6, 'with an end.'), cue(3, 10, 12, 'Why?')];
const shown = (cues: EditCue[]) => cues.map(({ start, end, text }) => [start, end, text]);

test('a cue is split before a character, and the time is shared by the words', () => {
  const split = apply(CUES, { do: 'split', key: 1, at: 10 });
  expect(split.slice(0, 2).map((c) => c.text)).toEqual(['A lease is', 'a promise']);
  expect([split[0]!.start, split[1]!.start, split[1]!.end]).toEqual([0, split[0]!.end, 4]);
  expect(split[0]!.end).toBeCloseTo(4 * (10 / 19), 2);
  expect(new Set(split.map((c) => c.key)).size).toBe(4);
  const edge = apply(CUES, { do: 'split', key: 1, at: 0 });
  expect(shown(edge).slice(0, 2)).toEqual([
    [0, 0.2, ''],
    [0.2, 4, 'A lease is a promise'],
  ]);
});

test('a cue is merged with the next one; the last one has none', () => {
  expect(shown(apply(CUES, { do: 'merge', key: 1 }))).toEqual([
    [0, 6, 'A lease is a promise with an end.'],
    [10, 12, 'Why?'],
  ]);
  expect(shown(apply(CUES, { do: 'merge', key: 3 }))).toEqual(shown(CUES));
});

test('splitting and merging again gives the same words and times', () => {
  const split = apply(CUES, { do: 'split', key: 1, at: 7 });
  expect(shown(apply(split, { do: 'merge', key: 1 }))).toEqual(shown(CUES));
});

test('a new cue takes the room there is', () => {
  expect(shown(apply(CUES, { do: 'add', at: 6.5 }))[2]).toEqual([6.5, 9, '']);
  expect(shown(apply(CUES, { do: 'add', at: 9 }))[2]).toEqual([9, 10, '']);
  expect(shown(apply(CUES, { do: 'add', at: 20 }))[3]).toEqual([20, 22.5, '']);
});

test('cues stay in the order of time, and an edit of what is gone changes nothing', () => {
  expect(shown(apply(CUES, { do: 'start', key: 1, to: 11 })).map(([, , text]) => text)).toEqual(['with an end.', 'Why?', 'A lease is a promise']);
  expect(shown(apply(CUES, { do: 'remove', key: 99 }))).toEqual(shown(CUES));
  expect(CUES[0]!.start, 'what was there is not touched').toBe(0);
});

test('what is wrong is said at the cue', () => {
  const wrong = [cue(1, 0, 5, 'fine words'), cue(2, 4, 5, 'x'.repeat(30)), cue(3, 6, 6, 'no time'), cue(4, 7, 8, '  '), cue(5, 70, 72, 'late')];
  const found = faults(wrong, 60);
  expect(found.get(1)).toEqual([{ words: 'It overlaps the next one by 1 s.', stops: false }]);
  expect(found.get(2)?.[0]?.words).toMatch(/^Too fast to read: 30 characters a second/);
  expect(found.get(3)).toEqual([{ words: 'It ends before it begins.', stops: true }]);
  expect(found.get(4)).toEqual([{ words: 'There are no words in it.', stops: true }]);
  expect(found.get(5)?.[0]?.words).toMatch(/after the end/);
  expect(faults(CUES, 60).size).toBe(0);
});

test.each([
  [0, '0:00.000'],
  [73.5, '1:13.500'],
  [3725.25, '1:02:05.250'],
  [59.9996, '1:00.000'],
])('%d seconds are written %s and read back', (time, text) => {
  expect(clock(time)).toBe(text);
  expect(parseTimecode(text)).toBeCloseTo(time, 2);
});

test('the file says what the cues say, and no more', () => {
  const cues = [cue(1, 1, 2.5, 'if a < b & c > d -->', 'Ann'), cue(2, 3600, 3601, 'Yes.'), cue(3, 5, 4, 'backwards'), cue(4, 6, 7, ' ')];
  expect(parseVtt(toVtt(cues))).toEqual([
    { start: 1, end: 2.5, voice: 'Ann', text: 'if a < b & c > d -->' },
    { start: 3600, end: 3601, voice: null, text: 'Yes.' },
  ]);
});

test('edits are taken back and made again, a typed word in one step', () => {
  let now: History = step({ cues: [], before: [], after: [], typing: null }, { do: 'open', cues: CUES });
  for (const text of ['W', 'Wh', 'Who']) now = step(now, { do: 'text', key: 3, to: text });
  now = step(now, { do: 'remove', key: 1 });
  expect(now.cues.map((c) => c.text)).toEqual(['with an end.', 'Who']);
  now = step(step(now, { do: 'undo' }), { do: 'undo' });
  expect(now.cues).toEqual(CUES);
  expect(step(now, { do: 'undo' })).toEqual(now);
  now = step(step(now, { do: 'redo' }), { do: 'redo' });
  expect(now.cues.map((c) => c.text)).toEqual(['with an end.', 'Who']);
  expect(step(step(now, { do: 'undo' }), { do: 'text', key: 3, to: 'else' }).after).toEqual([]);
});
