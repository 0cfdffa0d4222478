import { expect, test } from 'vitest';
import { plan, videoFor } from './upload-plan';

const file = (name: string, size = 1) => ({ name, size });

test('captions go up after what they belong to', () => {
  const { accepted } = plan([file('talk.en.vtt'), file('talk.mp4'), file('notes.pdf')]);
  expect(accepted.map((p) => [p.file.name, p.belongsTo])).toEqual([
    ['talk.mp4', null],
    ['notes.pdf', null],
    ['talk.en.vtt', 'talk'],
  ]);
});

test('an empty file is refused with a sentence, litter is passed over', () => {
  const { accepted, refused } = plan([file('a.pdf', 0), file('.DS_Store'), file('Thumbs.db')]);
  expect(accepted).toEqual([]);
  expect(refused.map((r) => r.why)).toEqual(['This file is empty.']);
});

test('titles come from file names', () => {
  expect(plan([file('02_soil-water.pdf'), file('_.md')]).accepted.map((p) => p.title)).toEqual(['02 soil water', '_.md']);
});

test('captions are called by their language, where the name tells it', () => {
  const titles = (...names: string[]) => plan(names.map((name) => file(name))).accepted.map((p) => p.title);
  expect(titles('talk.en.vtt', 'talk.pt-BR.srt', 'talk_deu.vtt', 'talk.zzz.vtt', 'talk.vtt')).toEqual([
    'English',
    'Brazilian Portuguese',
    'German',
    'talk.zzz',
    'talk',
  ]);
});

test('captions find their video by its name, or the only one there is', () => {
  const videos = [
    { file_name: 'talk.mp4', kind: 'video' },
    { file_name: 'other.mp4', kind: null },
    { file_name: 'talk.pdf', kind: 'document' },
  ];
  expect(videoFor('talk', videos)?.file_name).toBe('talk.mp4');
  expect(videoFor('TALK', videos)?.file_name).toBe('talk.mp4');
  expect(videoFor('third', videos)).toBeNull();
  expect(videoFor('third', videos.slice(0, 1))?.file_name).toBe('talk.mp4');
  expect(videoFor('x', [{ file_name: 'x.vtt', kind: null }])).toBeNull();
});
