import { expect, test } from 'vitest';
import { renewAfter, sameVersion, withNewestToken } from './media-token';

const NEWEST = '/stream/2000.me.new/film/j.2/master.m3u8';

test('a segment is asked for with the newest token', () => {
  expect(withNewestToken('http://127.0.0.1:8080/stream/1000.me.old/film/j.2/1280x720/seg-00001.m4s', NEWEST)).toBe(
    'http://127.0.0.1:8080/stream/2000.me.new/film/j.2/1280x720/seg-00001.m4s',
  );
  expect(withNewestToken('/stream/1000.me.old/film/j.2/audio/init.mp4?y=1', NEWEST)).toBe('/stream/2000.me.new/film/j.2/audio/init.mp4?y=1');
  expect(withNewestToken('/stream/1000.me.old/film/j.2/key', NEWEST)).toBe('/stream/2000.me.new/film/j.2/key');
});

test('a token opens no other film and no other version, so other addresses stay as they are', () => {
  for (const url of ['/stream/1000.me.old/other/j.2/x', '/stream/1000.me.old/film/j.1/x', '/media/1000.old/sources/ff', 'https://elsewhere.example/a.m3u8', 'blob:x', '/stream/x']) {
    expect(withNewestToken(url, NEWEST)).toBe(url);
  }
});

test('a film that was made anew is told from a new token', () => {
  expect(sameVersion('/stream/1000.me.old/film/j.2/master.m3u8', NEWEST)).toBe(true);
  expect(sameVersion('/stream/1000.me.old/film/j.1/master.m3u8', NEWEST)).toBe(false);
  expect(sameVersion('blob:x', NEWEST)).toBe(false);
});

test('addresses are renewed well before they end, and not all the time', () => {
  expect(renewAfter(300)).toBe(240_000);
  expect(renewAfter(1)).toBe(1000);
});
