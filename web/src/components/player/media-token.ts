/**
 * Signed addresses `/media/<token>/<key>` end after some minutes, and a playlist's segments carry the token that the
 * playlist was fetched with. While a film plays, the page gets a new address for the same folder now and then; every
 * request for that folder is then made with the newest token. Pure.
 */

const SHAPE = /^((?:https?:\/\/[^/]+)?\/media\/)([^/]+)(\/assets\/[^/]+\/[^/]+\/)/;

/** `url` with the token of `newest`, when both lie in the same folder; else `url` as it is. */
export function withNewestToken(url: string, newest: string): string {
  const old = SHAPE.exec(url);
  const fresh = SHAPE.exec(newest);
  if (!old || !fresh || old[3] !== fresh[3]) return url;
  return `${old[1]}${fresh[2]}${url.slice(old[1]!.length + old[2]!.length)}`;
}
