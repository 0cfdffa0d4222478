/**
 * Server-sent events over fetch. The browser's own EventSource cannot send the Authorization header.
 * parseEvents is pure; listen reads until the server closes, the caller aborts, or the stream breaks.
 */
import { send } from './client';

export interface ServerEvent {
  name: string;
  data: string;
}

/** Splits off the complete events at the front of `text`; `rest` waits for more bytes. */
export function parseEvents(text: string): { events: ServerEvent[]; rest: string } {
  const blocks = text.split(/\r\n\r\n|\n\n|\r\r/);
  const rest = blocks.pop() ?? '';
  return { events: blocks.flatMap(parseBlock), rest };
}

function parseBlock(block: string): ServerEvent[] {
  let name = 'message';
  const data: string[] = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':');
    if (colon === 0) continue; // a comment, sent to keep the connection alive
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') name = value;
    if (field === 'data') data.push(value);
  }
  return data.length > 0 ? [{ name, data: data.join('\n') }] : [];
}

/** Resolves when the server closes the stream. */
export async function listen(path: string, onEvent: (event: ServerEvent) => void, signal: AbortSignal): Promise<void> {
  const answer = await send(path, { headers: { accept: 'text/event-stream' }, signal });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let pending = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const { events, rest } = parseEvents(pending + value);
    pending = rest;
    events.forEach(onEvent);
  }
}
