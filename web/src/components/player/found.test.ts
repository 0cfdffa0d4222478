import { expect, test } from 'vitest';
import { found } from './found';

const shown = (line: string, word: string) => found(line, word).map((piece) => (piece.hit ? `[${piece.text}]` : piece.text)).join('');

test('every place of a word is marked, whatever its case', () => {
  expect(shown('A lease is a Lease.', 'lease')).toBe('A [lease] is a [Lease].');
  expect(shown('aaa', 'aa')).toBe('[aa]a');
  expect(shown('lease', 'lease')).toBe('[lease]');
});

test('nothing is marked where there is nothing', () => {
  expect(found('A lease', '')).toEqual([{ text: 'A lease', hit: false }]);
  expect(shown('A lease', 'x')).toBe('A lease');
  expect(shown('İstanbul', 'stan')).toBe('İstanbul');
});
