/**
 * One request to the API: adds the token, renews it once when it was refused, and turns every failure into a Problem.
 * What can be asked is in the files beside this one, one resource each.
 */
import { parseProblem, Problem, unreachable } from './problem';
import { freshToken, refresh } from './session';

const BASE = '/api/v1';

export type Query = Record<string, string | number | boolean | null | undefined>;

export interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  query?: Query;
  /** Sent as JSON, or as it is when it is a Blob. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** It is to arrive even when the page is closed meanwhile. */
  keepalive?: boolean;
}

export interface Answer<T> {
  body: T;
  etag: string | null;
}

/** The body of the answer. Rejects with a Problem, or with the AbortError of the caller's own signal. */
export async function ask<T>(path: string, options: Ask = {}): Promise<T> {
  return (await askWithEtag<T>(path, options)).body;
}

export async function askWithEtag<T>(path: string, options: Ask = {}): Promise<Answer<T>> {
  const answer = await send(path, options);
  const text = await answer.text();
  return { body: (text === '' ? undefined : JSON.parse(text)) as T, etag: answer.headers.get('etag') };
}

/** The answer itself, once it is known to be a good one; for what is read as a stream. */
export async function send(path: string, options: Ask = {}): Promise<Response> {
  let answer = await attempt(path, options);
  if (answer.status === 401 && (await refresh())) answer = await attempt(path, options);
  if (answer.ok) return answer;
  throw parseProblem(answer.status, await answer.text(), answer.headers.get('x-request-id'));
}

export function url(path: string, query: Query = {}): string {
  const pairs = Object.entries(query).flatMap(([key, value]) =>
    value === undefined || value === null || value === '' ? [] : [[key, String(value)]],
  );
  return BASE + path + (pairs.length > 0 ? `?${new URLSearchParams(pairs)}` : '');
}

/** Whether asking again may help: no answer, or a server in trouble. Never for what was refused. */
export function worthRetrying(failures: number, error: unknown): boolean {
  return failures < 2 && error instanceof Problem && (error.status === 0 || error.status >= 500);
}

async function attempt(path: string, { method = 'GET', query, body, headers, signal, keepalive = false }: Ask): Promise<Response> {
  const token = await freshToken();
  const raw = body instanceof Blob;
  try {
    return await fetch(url(path, query), {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': raw ? 'application/octet-stream' : 'application/json' }),
        ...headers,
      },
      body: body === undefined ? null : raw ? body : JSON.stringify(body),
      signal: signal ?? null,
      keepalive,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable();
  }
}
