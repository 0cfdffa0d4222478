/**
 * The one error of the API client: RFC 9457 problem details, or what we say when no answer came at all.
 */

export interface FieldError {
  /** Name of the field, or its path in the body with slashes. */
  field: string;
  message: string;
}

export class Problem extends Error {
  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    /** Stable code, such as `email_taken`. */
    readonly code: string,
    /** A sentence for the person at the screen. */
    readonly sentence: string,
    /** To find the request in the server's logs. */
    readonly requestId: string | null = null,
    readonly fields: FieldError[] = [],
  ) {
    super(sentence);
    this.name = 'Problem';
  }
}

export function isProblem(error: unknown): error is Problem {
  return error instanceof Problem;
}

/** No answer came: the server is down, or the network is. */
export function unreachable(): Problem {
  return new Problem(0, 'unreachable', 'The server did not answer. Check your connection, then try again.');
}

/** Any thrown thing as a Problem, so that every notice looks alike. */
export function asProblem(error: unknown): Problem {
  if (isProblem(error)) return error;
  return new Problem(0, 'page_error', error instanceof Error ? sentence(error.message) : 'Something went wrong on this page.');
}

/** Reads the body of an error answer; any body will do, since a proxy may have written it. */
export function parseProblem(status: number, body: string, requestId: string | null): Problem {
  let json: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(body);
    if (parsed && typeof parsed === 'object') json = parsed as Record<string, unknown>;
  } catch {
    // not JSON: the status says what can be said
  }
  const text = (key: string) => (typeof json[key] === 'string' && json[key] !== '' ? (json[key] as string) : null);
  return new Problem(
    status,
    text('code') ?? `http_${status}`,
    sentence(text('detail') ?? text('title') ?? wordsFor(status)),
    text('request_id') ?? requestId,
    fieldErrors(json.errors),
  );
}

/** The server writes messages in lower case, as log lines; on a page they are sentences. */
export function sentence(message: string): string {
  const trimmed = message.trim();
  if (trimmed === '') return trimmed;
  const start = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(start) ? start : `${start}.`;
}

function fieldErrors(value: unknown): FieldError[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) => {
    if (!entry || typeof entry !== 'object') return [];
    const { pointer, detail } = entry as Record<string, unknown>;
    if (typeof pointer !== 'string' || typeof detail !== 'string') return [];
    return [{ field: pointer.replace(/^\//, ''), message: sentence(detail) }];
  });
}

function wordsFor(status: number): string {
  if (status === 404) return 'This does not exist, or is not yours to see.';
  if (status === 403) return 'You may not do this.';
  if (status === 413) return 'This is larger than the server accepts.';
  if (status === 429) return 'Too many requests. Wait a moment, then try again.';
  if (status >= 500) return 'The server could not do this. Try again in a moment.';
  return 'The server did not accept this.';
}
