import { expect, test } from 'vitest';
import { parseEvents } from './event-stream';

test('complete events are read and the unfinished one waits', () => {
  const { events, rest } = parseEvents('event: asset\ndata: {"a":1}\n\nevent: asset\nda');
  expect(events).toEqual([{ name: 'asset', data: '{"a":1}' }]);
  expect(rest).toBe('event: asset\nda');
});

test('comments keep the connection alive and are no events', () => {
  expect(parseEvents(': ping\n\n:\n\n').events).toEqual([]);
});

test('lines of data are joined, and line ends may be of any kind', () => {
  expect(parseEvents('data: one\r\ndata:two\r\n\r\n').events).toEqual([{ name: 'message', data: 'one\ntwo' }]);
});

test('cut at any place, a stream gives the same events', () => {
  const stream = 'event: asset\ndata: {"state":"processing"}\n\n: ping\n\nevent: asset\ndata: {"state":"published"}\n\n';
  for (let cut = 0; cut <= stream.length; cut++) {
    const first = parseEvents(stream.slice(0, cut));
    const second = parseEvents(first.rest + stream.slice(cut));
    expect([...first.events, ...second.events].map((e) => e.data)).toEqual(['{"state":"processing"}', '{"state":"published"}']);
  }
});
