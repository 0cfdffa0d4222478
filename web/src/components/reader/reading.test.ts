import { expect, test } from 'vitest';
import type { Chunk, Locator } from '../../api/types';
import { passages } from './reading';

const chunk = (ordinal: number, text: string, locator: Locator, heading_path: string[] = []): Chunk => ({ ordinal, text, heading_path, locator });
const paragraph = (text: string) => ({ type: 'paragraph', text });
const section = (start: number, end: number): Locator => ({ type: 'section', start, end });

test('a heading is shown where it begins and not again', () => {
  const read = passages([
    chunk(0, 'a', section(0, 1), ['Soil']),
    chunk(1, 'b', section(1, 2), ['Soil', 'Water']),
    chunk(2, 'c', section(2, 3), ['Soil', 'Water']),
    chunk(3, 'd', section(3, 4), ['Air', 'Water']),
  ]);
  expect(read.map((p) => p.headings.map((h) => `${h.depth} ${h.text}`))).toEqual([['1 Soil'], ['2 Water'], [], ['1 Air', '2 Water']]);
});

test('what two chunks share is shown once', () => {
  const read = passages([chunk(0, 'one two', section(0, 7)), chunk(1, 'two three', section(4, 13))]);
  expect(read.map((p) => p.blocks)).toEqual([[paragraph('one two')], [paragraph('three')]]);
});

test('overlap counts characters, also those outside the first plane', () => {
  const read = passages([chunk(0, 'a😀b', section(0, 3)), chunk(1, '😀bc', section(1, 4))]);
  expect(read[1]!.blocks).toEqual([paragraph('c')]);
});

test('a text that is not its stretch is shown whole', () => {
  const read = passages([chunk(0, 'one two', section(0, 7)), chunk(1, 'cleaned', section(4, 40))]);
  expect(read[1]!.blocks).toEqual([paragraph('cleaned')]);
});

test('pages and seconds are told where they change', () => {
  const page = (n: number): Locator => ({ type: 'page', page: n, start: 0, end: 1 });
  expect(passages([chunk(0, 'a', page(1)), chunk(1, 'b', page(1)), chunk(2, 'c', page(2))]).map((p) => p.place)).toEqual([{ page: 1 }, null, { page: 2 }]);
  expect(passages([chunk(0, 'a', { type: 'time', start: 4.5, end: 6, cues: [] })])[0]!.place).toEqual({ second: 4.5 });
});

test('blank lines part paragraphs', () => {
  expect(passages([chunk(0, 'one\nstill one\n\n\ntwo\n', section(0, 21))])[0]!.blocks).toEqual([paragraph('one\nstill one'), paragraph('two')]);
});

test('lines that all begin with a bullet are a list', () => {
  const read = passages([chunk(0, '- one\n- two\n\n- three\nno bullet', section(0, 32))]);
  expect(read[0]!.blocks).toEqual([{ type: 'list', items: ['one', 'two'] }, paragraph('- three\nno bullet')]);
});
