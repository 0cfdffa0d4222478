import { expect, test } from 'vitest';
import { renewIn } from '../../api/assets';
import { withNewestToken } from './media-token';

const NEWEST = '/media/2000.new/assets/a/j.1/hls/master.m3u8';

test('a segment is asked for with the newest token', () => {
  expect(withNewestToken('http://127.0.0.1:8080/media/1000.old/assets/a/j.1/hls/720p/seg-1.m4s', NEWEST)).toBe(
    'http://127.0.0.1:8080/media/2000.new/assets/a/j.1/hls/720p/seg-1.m4s',
  );
  expect(withNewestToken('/media/1000.old/assets/a/j.1/x?y=1', NEWEST)).toBe('/media/2000.new/assets/a/j.1/x?y=1');
});

test('a token opens no other folder, so other addresses stay as they are', () => {
  for (const url of ['/media/1000.old/assets/a/j.2/x', '/media/1000.old/sources/ff', 'https://elsewhere.example/a.m3u8', 'blob:x']) {
    expect(withNewestToken(url, NEWEST)).toBe(url);
  }
});

test('an address is renewed well before it ends, and not all the time', () => {
  expect(renewIn('/media/1300.x/assets/a', 1_000_000)).toBe(240_000);
  expect(renewIn('/media/1001.x/assets/a', 1_000_000)).toBe(10_000);
  expect(renewIn('/somewhere/else.m3u8', 1_000_000)).toBe(false);
});
