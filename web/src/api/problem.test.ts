import { expect, test } from 'vitest';
import { asProblem, parseProblem, Problem, sentence } from './problem';

test('a problem document becomes a sentence, a code and a request id', () => {
  const body = JSON.stringify({ title: 'conflict', status: 409, detail: 'this email is taken', code: 'email_taken', request_id: 'r1' });
  const problem = parseProblem(409, body, null);
  expect(problem.sentence).toBe('This email is taken.');
  expect(problem.code).toBe('email_taken');
  expect(problem.requestId).toBe('r1');
});

test('validation errors name their fields', () => {
  const errors = [{ pointer: '/password', detail: 'needs at least 10 characters' }, 'nonsense', { pointer: 1 }];
  const problem = parseProblem(422, JSON.stringify({ code: 'validation_failed', errors }), null);
  expect(problem.fields).toEqual([{ field: 'password', message: 'Needs at least 10 characters.' }]);
});

test.each([
  [502, '<html>bad gateway</html>', 'The server could not do this. Try again in a moment.'],
  [404, '', 'This does not exist, or is not yours to see.'],
  [418, '"a string"', 'The server did not accept this.'],
])('status %i with any body still says something', (status, body, words) => {
  const problem = parseProblem(status, body, 'from-header');
  expect(problem.sentence).toBe(words);
  expect(problem.code).toBe(`http_${status}`);
  expect(problem.requestId).toBe('from-header');
});

test('a sentence starts large and ends with a stop, once', () => {
  expect(sentence('page 3 is empty')).toBe('Page 3 is empty.');
  expect(sentence('Why?')).toBe('Why?');
  expect(sentence('  ')).toBe('');
});

test('anything thrown can be shown', () => {
  const problem = new Problem(400, 'x', 'X.');
  expect(asProblem(problem)).toBe(problem);
  expect(asProblem(new Error('boom')).sentence).toBe('Boom.');
  expect(asProblem(undefined).sentence).toBe('Something went wrong on this page.');
});
