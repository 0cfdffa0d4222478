import { expect, test } from 'vitest';
import { actionFor, belongsToControl, stepSpeed } from './keys';

const stroke = (key: string, more = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...more });

test.each([
  [' ', { do: 'toggle' }],
  ['K', { do: 'toggle' }],
  ['j', { do: 'skip', seconds: -10 }],
  ['ArrowRight', { do: 'skip', seconds: 5 }],
  ['7', { do: 'jump', tenths: 7 }],
  ['>', { do: 'faster' }],
  ['i', { do: 'pip' }],
  ['?', { do: 'help' }],
  ['x', null],
  ['Tab', null],
])('the key %j', (key, action) => expect(actionFor(stroke(key))).toEqual(action));

test('keys with a modifier belong to the browser', () => {
  expect(actionFor(stroke('f', { ctrlKey: true }))).toBeNull();
  expect(actionFor(stroke('ArrowLeft', { altKey: true }))).toBeNull();
});

test('a focused control keeps the keys it needs', () => {
  expect(belongsToControl('k', { tagName: 'INPUT', type: 'search' })).toBe(true);
  expect(belongsToControl(' ', { tagName: 'BUTTON' })).toBe(true);
  expect(belongsToControl('k', { tagName: 'BUTTON' })).toBe(false);
  expect(belongsToControl('ArrowLeft', { tagName: 'INPUT', type: 'range' })).toBe(true);
  expect(belongsToControl('m', { tagName: 'INPUT', type: 'range' })).toBe(false);
  expect(belongsToControl('5', { tagName: 'SELECT' })).toBe(true);
  expect(belongsToControl('ArrowDown', { tagName: 'MAIN' })).toBe(false);
});

test('speed steps along the list and stops at its ends', () => {
  expect(stepSpeed(1, 1)).toBe(1.25);
  expect(stepSpeed(1, -1)).toBe(0.75);
  expect(stepSpeed(2, 1)).toBe(2);
  expect(stepSpeed(1.1, -1)).toBe(1);
});
