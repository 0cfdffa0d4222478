import { expect, test } from 'vitest';
import { beside, parseStoryboard, thumbAt } from './storyboard';

const FILE = `WEBVTT

00:00.000 --> 00:05.000
storyboard-1.jpg#xywh=0,0,160,90

00:00:05.000 --> 00:00:10.000
storyboard-1.jpg#xywh=160,0,160,90

00:10.000 --> 00:15.000
https://elsewhere.example/x.jpg#xywh=0,0,160,90

00:15.000 --> 00:20.000
../storyboard-1.jpg#xywh=0,0,160,90

00:20.000 --> 00:25.000
storyboard-2.jpg#xywh=0,0,0,90
`;

test('cues are parts of pictures in the same folder', () => {
  expect(parseStoryboard(FILE)).toEqual([
    { start: 0, end: 5, file: 'storyboard-1.jpg', x: 0, y: 0, w: 160, h: 90 },
    { start: 5, end: 10, file: 'storyboard-1.jpg', x: 160, y: 0, w: 160, h: 90 },
  ]);
  expect(parseStoryboard('<html>not found</html>')).toEqual([]);
});

test('every moment has a picture, as long as there is one', () => {
  const thumbs = parseStoryboard(FILE);
  expect([0, 4.9, 5, 300].map((t) => thumbAt(thumbs, t)?.x)).toEqual([0, 0, 160, 160]);
  expect(thumbAt([], 3)).toBeNull();
});

test('a file beside another one has the same address but for its name', () => {
  expect(beside('/media/1.sig/assets/a/b.1/master.m3u8', 'storyboard.vtt')).toBe('/media/1.sig/assets/a/b.1/storyboard.vtt');
  expect(beside('/media/a/master.m3u8?x=1/2', 's.vtt')).toBe('/media/a/s.vtt');
});
