import { expect, test } from 'vitest';
import { split, wordPattern } from './found-words';

const found = (query: string, text: string) => {
  const pattern = wordPattern(query);
  return pattern ? split(text, pattern).filter((p) => p.found).map((p) => p.text) : null;
};

test.each([
  ['capillary forces', 'Capillary force lifts; forces and capillarity.', ['Capillary', 'force', 'forces', 'capillarity']],
  ['what is the pH of soil?', 'The pH of a phone on soils', ['pH', 'soils']],
  ['observation', 'observe, observed, observations', ['observe', 'observed', 'observations']],
  ['Größe', 'die Größen', ['Größen']],
  ['c++ (a|b)*', 'c++ aab', []],
])('searching %j marks %j', (query, text, words) => expect(found(query, text) ?? []).toEqual(words));

test('a query of common words marks nothing', () => {
  expect(found('what is this', 'what is this')).toBeNull();
});

test('the pieces are the text', () => {
  const text = 'one two one';
  expect(split(text, wordPattern('one')!).map((p) => p.text).join('')).toBe(text);
});
