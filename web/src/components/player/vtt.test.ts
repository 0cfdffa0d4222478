import { expect, test } from 'vitest';
import { cueAt, parseVtt } from './vtt';

const FILE = `WEBVTT
Kind: captions

NOTE a note --not a cue

1
00:01.000 --> 00:04.500 align:start position:10%
<v Ada Lovelace>The <i>first</i> line
goes on &amp; on

00:00:05.250 --> 00:00:09.000
Second line
`;

test('cues have times, plain text and a voice', () => {
  expect(parseVtt(FILE)).toEqual([
    { start: 1, end: 4.5, voice: 'Ada Lovelace', text: 'The first line goes on & on' },
    { start: 5.25, end: 9, voice: null, text: 'Second line' },
  ]);
});

test('SubRip is read alike', () => {
  const srt = '\uFEFF1\r\n00:00:01,500 --> 00:00:02,000\r\nHello\r\n\r\n2\r\n01:00:00,000 --> 01:00:01,000\r\nlater\r\n';
  expect(parseVtt(srt).map((c) => [c.start, c.text])).toEqual([
    [1.5, 'Hello'],
    [3600, 'later'],
  ]);
});

test('what cannot be read is left out', () => {
  expect(parseVtt('WEBVTT\n\nxx --> yy\ntext\n\n00:01.000 --> 00:02.000\n\n-->')).toEqual([]);
  expect(parseVtt('')).toEqual([]);
});

test('the cue of a moment is the last one that has begun', () => {
  const cues = parseVtt(FILE);
  expect([0, 1, 4.9, 5.24, 5.25, 100].map((t) => cueAt(cues, t))).toEqual([-1, 0, 0, 1, 1, 1]);
  expect(cueAt([], 3)).toBe(-1);
});

test('times of words are for players, and no part of what is read', () => {
  const file = 'WEBVTT\n\n00:01.000 --> 00:03.000\nEbb <00:00:01.400>and <00:00:01.800>flow\n';
  expect(parseVtt(file)).toEqual([{ start: 1, end: 3, voice: null, text: 'Ebb and flow' }]);
});
