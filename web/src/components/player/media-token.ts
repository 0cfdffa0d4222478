/**
 * Addresses of a stream, `/stream/<token>/<asset>/<version>/…`, end with their token after some minutes, and whatever a
 * playlist leads to carries the token that the playlist was fetched with. While a film plays, the page gets a new token
 * for it now and then; every request for that version of the film is then made with the newest. Pure.
 */

const SHAPE = /^((?:https?:\/\/[^/]+)?\/stream\/)([^/]+)\/([^/]+)\/([^/]+)\//;

/** `url` with the token of `newest`, when both are of the same version of a film; else `url` as it is. */
export function withNewestToken(url: string, newest: string): string {
  const old = SHAPE.exec(url);
  const fresh = SHAPE.exec(newest);
  if (!old || !fresh || old[3] !== fresh[3] || old[4] !== fresh[4]) return url;
  return `${old[1]}${fresh[2]}${url.slice(old[1]!.length + old[2]!.length)}`;
}

/** Whether both addresses are of the same version of the same film: it may have been made anew meanwhile. */
export function sameVersion(one: string, other: string): boolean {
  const [a, b] = [SHAPE.exec(one), SHAPE.exec(other)];
  return a !== null && b !== null && a[3] === b[3] && a[4] === b[4];
}

/**
 * Milliseconds after which addresses that are good for some seconds are asked for anew: at four fifths of their life, so
 * that a slow answer is still in time.
 */
export function renewAfter(expiresInSeconds: number): number {
  return Math.max(expiresInSeconds * 800, 1000);
}
