/** What a signed address names, without the signature, which changes: the same path is the same bytes for ever. Pure. */
export function pathOfMedia(address: string): string {
  return address.replace(/^\/(?:media|stream)\/[^/]+\//, '').replace(/\?.*$/, '');
}
