import { expect, test } from 'vitest';
import { parseSnippet } from './snippet';

test('marked words are told from the rest', () => {
  expect(parseSnippet('a <mark>red</mark> fox')).toEqual([
    { text: 'a ', marked: false },
    { text: 'red', marked: true },
    { text: ' fox', marked: false },
  ]);
});

test('entities become their characters, once', () => {
  expect(parseSnippet('1 &lt; 2 &amp;&amp; &quot;x&quot; &#39;y&#x27; &amp;lt;')).toEqual([{ text: '1 < 2 && "x" \'y\' &lt;', marked: false }]);
});

test('any other tag stays text', () => {
  expect(parseSnippet('<script>alert(1)</script>')).toEqual([{ text: '<script>alert(1)</script>', marked: false }]);
  expect(parseSnippet('<mark onclick=x>')).toEqual([{ text: '<mark onclick=x>', marked: false }]);
});

test('what is no entity stays as it is', () => {
  expect(parseSnippet('R&D &unknown; &#99999999; &#x110000;')).toEqual([{ text: 'R&D &unknown; &#99999999; &#x110000;', marked: false }]);
});
