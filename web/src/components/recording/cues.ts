/** Captions while they are edited: what can be done with cues, and what is wrong with them. Pure; shown by captions-editor.tsx. */

export interface EditCue {
  /** Stays the same while everything else changes. */
  key: number;
  /** Seconds. */
  start: number;
  end: number;
  text: string;
  /** Who speaks; empty where it does not matter. */
  speaker: string;
}

export type Edit =
  | { do: 'text' | 'speaker'; key: number; to: string }
  | { do: 'start' | 'end'; key: number; to: number }
  /** In two, before a character of its text. */
  | { do: 'split'; key: number; at: number }
  /** With the cue that follows. */
  | { do: 'merge' | 'remove'; key: number }
  /** A new one, at a second. */
  | { do: 'add'; at: number };

/** Length of a new cue, in seconds, where there is room. */
const NEW = 2.5;
/** No cue is made shorter than this. */
const SHORTEST = 0.2;
/** Characters a second that most people can read, by the guidelines of broadcasters. */
const READABLE = 20;

/** The cues after the edit, in the order of time. An edit of a cue that is gone changes nothing. */
export function apply(cues: readonly EditCue[], edit: Edit): EditCue[] {
  if (edit.do === 'add') return sorted([...cues, added(cues, edit.at)]);
  const at = cues.findIndex((cue) => cue.key === edit.key);
  const cue = cues[at];
  if (!cue) return [...cues];
  const replaced = (...by: EditCue[]) => [...cues.slice(0, at), ...by, ...cues.slice(at + 1)];
  switch (edit.do) {
    case 'text':
      return replaced({ ...cue, text: edit.to });
    case 'speaker':
      return replaced({ ...cue, speaker: edit.to });
    case 'start':
      return sorted(replaced({ ...cue, start: ms(edit.to) }));
    case 'end':
      return replaced({ ...cue, end: ms(edit.to) });
    case 'remove':
      return replaced();
    case 'split':
      return replaced(...split(cue, edit.at, nextKey(cues)));
    case 'merge': {
      const next = cues[at + 1];
      if (!next) return [...cues];
      const text = [cue.text.trim(), next.text.trim()].filter((part) => part !== '').join(' ');
      return [...cues.slice(0, at), { ...cue, end: Math.max(cue.end, next.end), text }, ...cues.slice(at + 2)];
    }
  }
}

/** The time is shared by the length of the words; a half without words is as long as it must be. */
function split(cue: EditCue, at: number, key: number): EditCue[] {
  const [left, right] = [cue.text.slice(0, at).trim(), cue.text.slice(at).trim()];
  const total = left.length + right.length;
  const length = cue.end - cue.start;
  const part = total === 0 ? 0.5 : left.length / total;
  const margin = Math.min(SHORTEST, length / 2);
  const middle = ms(cue.start + Math.min(Math.max(length * part, margin), length - margin));
  return [
    { ...cue, end: middle, text: left },
    { ...cue, key, start: middle, text: right },
  ];
}

function added(cues: readonly EditCue[], at: number): EditCue {
  const start = ms(Math.max(0, at));
  const next = cues.find((cue) => cue.start > start);
  const room = next ? next.start - start : NEW;
  return { key: nextKey(cues), start, end: ms(start + (room >= SHORTEST ? Math.min(NEW, room) : NEW)), text: '', speaker: '' };
}

function sorted(cues: EditCue[]): EditCue[] {
  return cues.sort((a, b) => a.start - b.start);
}

const nextKey = (cues: readonly EditCue[]) => cues.reduce((highest, cue) => Math.max(highest, cue.key), 0) + 1;
const ms = (seconds: number) => Math.round(seconds * 1000) / 1000;

/** Something that is not right with a cue. What `stops` cannot be saved. */
export interface Fault {
  words: string;
  stops: boolean;
}

/** What is wrong, by the key of the cue. `duration` is the film's; 0 when it is not known. */
export function faults(cues: readonly EditCue[], duration: number): Map<number, Fault[]> {
  const all = new Map<number, Fault[]>();
  cues.forEach((cue, at) => {
    const found: Fault[] = [];
    const length = cue.end - cue.start;
    const text = cue.text.trim();
    if (text === '') found.push({ words: 'There are no words in it.', stops: true });
    if (length <= 0) found.push({ words: 'It ends before it begins.', stops: true });
    if (duration > 0 && cue.start >= duration) found.push({ words: 'It begins after the end of the film.', stops: false });
    const next = cues[at + 1];
    if (length > 0 && next && cue.end > next.start + 0.001) {
      found.push({ words: `It overlaps the next one by ${seconds(cue.end - next.start)}.`, stops: false });
    }
    const speed = length > 0 ? text.length / length : 0;
    if (speed > READABLE) found.push({ words: `Too fast to read: ${Math.round(speed)} characters a second, ${READABLE} can be read.`, stops: false });
    if (found.length > 0) all.set(cue.key, found);
  });
  return all;
}

function seconds(length: number): string {
  return `${Math.max(0.1, Math.round(length * 10) / 10)} s`;
}

/** 3725.25 → "1:02:05.250": a time that can be typed, and read back to the millisecond. */
export function clock(time: number): string {
  const all = Math.max(0, Math.round(time * 1000));
  const pad = (n: number, width = 2) => String(n).padStart(width, '0');
  const [h, m, s, rest] = [Math.floor(all / 3_600_000), Math.floor(all / 60_000) % 60, Math.floor(all / 1000) % 60, all % 1000];
  return `${h > 0 ? `${h}:${pad(m)}` : m}:${pad(s)}.${pad(rest, 3)}`;
}

/** WebVTT of the cues as they are, for the player beside the editor, and for captions that begin here. */
export function toVtt(cues: readonly EditCue[]): string {
  const escape = (text: string) => text.replace(/\s+/g, ' ').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const stamp = (time: number) => {
    const text = clock(time);
    return text.length > 9 ? text.padStart(12, '0') : `00:${text.padStart(9, '0')}`;
  };
  const blocks = cues
    .filter((cue) => cue.text.trim() !== '' && cue.end > cue.start)
    .map((cue) => `${stamp(cue.start)} --> ${stamp(cue.end)}\n${cue.speaker.trim() === '' ? '' : `<v ${escape(cue.speaker.trim())}>`}${escape(cue.text.trim())}\n`);
  // the first line makes the server take every cue word for word, repeated ones as well
  return ['WEBVTT - edited, word for word\n', ...blocks].join('\n');
}

/** Edits that can be taken back. */
export interface History {
  cues: EditCue[];
  before: EditCue[][];
  after: EditCue[][];
  /** What was typed last, so that a word is one step and not one for each letter. */
  typing: string | null;
}

export type Step = Edit | { do: 'undo' } | { do: 'redo' } | { do: 'open'; cues: EditCue[] };

/** Steps that are remembered. */
const STEPS = 200;

export function step(history: History, next: Step): History {
  const { cues, before, after, typing } = history;
  if (next.do === 'open') return { cues: next.cues, before: [], after: [], typing: null };
  if (next.do === 'undo') {
    const last = before.at(-1);
    return last ? { cues: last, before: before.slice(0, -1), after: [cues, ...after], typing: null } : history;
  }
  if (next.do === 'redo') {
    const [first, ...rest] = after;
    return first ? { cues: first, before: [...before, cues], after: rest, typing: null } : history;
  }
  const typed = next.do === 'text' || next.do === 'speaker' ? `${next.do} ${next.key}` : null;
  const goesOn = typed !== null && typed === typing;
  return { cues: apply(cues, next), before: goesOn ? before : [...before, cues].slice(-STEPS), after: [], typing: typed };
}
