/**
 * Which files of a drop go up, in which order, and which captions belong to which video. Pure; uploader.tsx does it.
 */

export interface Candidate {
  name: string;
  size: number;
}

export interface Planned<F extends Candidate> {
  file: F;
  title: string;
  /** Name without extension and language of the video that these captions name; null for what is not captions. */
  belongsTo: string | null;
}

export interface Plan<F extends Candidate> {
  accepted: Planned<F>[];
  refused: { file: F; why: string }[];
}

/** Media and documents first, captions after them, so that their video is there when they come. */
export function plan<F extends Candidate>(files: readonly F[]): Plan<F> {
  const accepted: Planned<F>[] = [];
  const refused: Plan<F>['refused'] = [];
  for (const file of files) {
    if (/^(\.|Thumbs\.db$|desktop\.ini$)/i.test(file.name)) continue; // a folder's own litter
    if (file.size === 0) refused.push({ file, why: 'This file is empty.' });
    else if (isCaptions(file.name)) accepted.push({ file, title: languageOf(file.name) ?? titleOf(file.name), belongsTo: stem(file.name) });
    else accepted.push({ file, title: titleOf(file.name), belongsTo: null });
  }
  accepted.sort((a, b) => Number(a.belongsTo !== null) - Number(b.belongsTo !== null));
  return { accepted, refused };
}

export function isCaptions(name: string): boolean {
  return /\.(vtt|srt)$/i.test(name);
}

/** The asset that captions belong to: the one whose file has the same name, else the only one there is. */
export function videoFor<A extends { file_name: string; kind?: string | null }>(belongsTo: string, assets: readonly A[]): A | null {
  // an asset's kind is not known before its bytes were looked at
  const media = assets.filter((a) => a.kind === 'video' || a.kind === 'audio' || (a.kind == null && !isCaptions(a.file_name)));
  const named = media.find((a) => stem(a.file_name).toLowerCase() === belongsTo.toLowerCase());
  return named ?? (media.length === 1 ? media[0]! : null);
}

/** "lecture.en.vtt" → "lecture", "lecture.mp4" → "lecture". */
function stem(name: string): string {
  const bare = name.replace(/\.[^.]+$/, '');
  return isCaptions(name) ? bare.replace(LANGUAGE, '') : bare;
}

const LANGUAGE = /[._-]([a-z]{2,3}(-[a-z0-9]{2,8})?)$/i;

/** "lecture.pt-BR.vtt" → "Brazilian Portuguese": how captions are called in the player's menu. */
function languageOf(name: string): string | null {
  const code = LANGUAGE.exec(name.replace(/\.[^.]+$/, ''))?.[1];
  if (code === undefined) return null;
  const word = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'none' }).of(code);
  return word ?? null;
}

/** "02_soil-water.pdf" → "02 soil water". */
function titleOf(name: string): string {
  const bare = name.replace(/\.[^.]+$/, '').replace(/[_-]+/g, ' ').trim();
  return bare === '' ? name : bare;
}
