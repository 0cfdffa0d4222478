import { expect, test } from 'vitest';
import { ownPath } from './login';

test.each([
  ['/watch/1?t=73', '/watch/1?t=73'],
  [null, '/'],
  ['https://elsewhere.example/', '/'],
  ['//elsewhere.example', '/'],
  ['/\\elsewhere.example', '/'],
  ['javascript:alert(1)', '/'],
])('after signing in, next=%s leads to %s', (next, path) => expect(ownPath(next)).toBe(path));
