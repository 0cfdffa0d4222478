import { expect, test } from 'vitest';
import { pathOfMedia } from './media-path';

test.each([
  ['/media/1795.kXo/assets/a/j.1/captions.vtt', 'assets/a/j.1/captions.vtt'],
  ['/media/1796.new/assets/a/j.1/captions.vtt?inline=true', 'assets/a/j.1/captions.vtt'],
  ['/stream/1795.me.kXo/a/j.1/storyboard.vtt', 'a/j.1/storyboard.vtt'],
])('%s names %s, whatever its signature', (address, path) => expect(pathOfMedia(address)).toBe(path));
