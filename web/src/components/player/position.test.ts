import { expect, test } from 'vitest';
import { worthTelling } from './position';

test('a playing film is reported now and then, a resting one at once', () => {
  expect(worthTelling(100, 105, false)).toBe(false);
  expect(worthTelling(100, 110, false)).toBe(true);
  expect(worthTelling(100, 20, false)).toBe(true);
  expect(worthTelling(100, 105, true)).toBe(true);
  expect(worthTelling(100, 100.4, true)).toBe(false);
});
