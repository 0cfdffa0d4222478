/**
 * Who is signed in. The access token lives in this module's memory and nowhere else; the refresh token is an
 * HttpOnly cookie that no script can read. A refresh token is spent once, so refreshes are made one at a time: one
 * per tab by a shared promise, one per browser by a lock.
 *
 * Does not know the rest of the API; client.ts asks it for a token.
 */
import { useSyncExternalStore } from 'react';
import { preferences } from '../preferences';
import { Problem, parseProblem, unreachable } from './problem';
import type { Account, Role, SignedIn } from './types';

export type Session = { status: 'starting' } | { status: 'out' } | { status: 'in'; account: Account };

/** Ask for a new token this long before the old one ends, so that no upload starts with a dying one. */
const MARGIN_MS = 30_000;

let session: Session = { status: 'starting' };
let token: { value: string; endsAt: number } | null = null;
let refreshing: Promise<boolean> | null = null;
const listeners = new Set<() => void>();

export function useSession(): Session {
  return useSyncExternalStore(subscribe, () => session);
}

/** Restores the session after a page load, if this browser was signed in. */
export async function startSession(): Promise<void> {
  window.addEventListener('storage', (event) => {
    if (event.key !== preferences.signedIn.key) return;
    if (event.newValue === null) set({ status: 'out' });
    else if (session.status === 'out') void refresh();
  });
  if (preferences.signedIn.read()) await refresh();
  else set({ status: 'out' });
}

export async function signIn(email: string, password: string): Promise<void> {
  accept(await send<SignedIn>('/login', { email, password }));
}

export async function register(account: { name: string; email: string; password: string; role: Role }): Promise<void> {
  await send('/register', account);
  await signIn(account.email, account.password);
}

export async function signOut(): Promise<void> {
  try {
    await send('/logout', undefined);
  } finally {
    end();
  }
}

/** A token that is good for a while yet, or null when nobody is signed in. */
export async function freshToken(): Promise<string | null> {
  if (session.status === 'starting' || (token && token.endsAt - MARGIN_MS < Date.now())) await refresh();
  return token?.value ?? null;
}

/** Trades the cookie for a new token. False when the session is over; the pages then show the sign-in form. */
export function refresh(): Promise<boolean> {
  refreshing ??= oneTabAtATime(spendCookie).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function spendCookie(): Promise<boolean> {
  try {
    accept(await send<SignedIn>('/refresh', undefined));
    return true;
  } catch (error) {
    const over = error instanceof Problem && (error.status === 401 || error.status === 403);
    // a server that is away for a moment ends nobody's session
    if (over || session.status === 'starting') end({ keepHint: !over });
    return false;
  }
}

async function oneTabAtATime(work: () => Promise<boolean>): Promise<boolean> {
  // locks exist in secure contexts only; over plain http in a closed network one tab must do
  return navigator.locks ? await navigator.locks.request('learnhub.refresh', work) : await work();
}

function accept(answer: SignedIn): void {
  token = { value: answer.access_token, endsAt: Date.now() + answer.expires_in * 1000 };
  preferences.signedIn.write(true);
  set({ status: 'in', account: answer.account });
}

function end({ keepHint = false } = {}): void {
  token = null;
  if (!keepHint) preferences.signedIn.clear();
  set({ status: 'out' });
}

function set(next: Session): void {
  if (next.status !== 'in') token = null;
  session = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

async function send<T>(path: string, body: unknown): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(`/api/v1/auth${path}`, {
      method: 'POST',
      credentials: 'same-origin',
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw unreachable();
  }
  const text = await answer.text();
  if (!answer.ok) throw parseProblem(answer.status, text, answer.headers.get('x-request-id'));
  return (text === '' ? undefined : JSON.parse(text)) as T;
}
