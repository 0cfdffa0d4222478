/**
 * The words of the pages: times, sizes, dates, and names for what the API calls by a code. Pure.
 */
import type { Asset, Backlog, Kind } from './api/types';

/** 73.2 → "1:13", 3725 → "1:02:05". */
export function timecode(seconds: number): string {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const pad = (n: number) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** Seconds out of "73.2", "1:13" or "1:02:05"; null when it is no time. */
export function parseTimecode(text: string | null): number | null {
  if (text === null || !/^\d+(:\d{1,2}){0,2}(\.\d+)?$/.test(text)) return null;
  return text.split(':').reduce((total, part) => total * 60 + Number(part), 0);
}

/** A length for people: "45 s", "2 min", "1 h 5 min". */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How long a machine took: "80 ms", "1.4 s", "2:05". */
export function took(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return timecode(ms / 1000);
}

/** Decimal units, as shops and systems sell and show them. */
export function fileSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = -1;
  do {
    value /= 1000;
    unit++;
  } while (value >= 999.5 && unit < units.length - 1);
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** A calendar day, which has no time zone: "2026-11-21" → "21 November 2026". */
export function day(date: string): string {
  return new Date(`${date.slice(0, 10)}T00:00:00Z`).toLocaleDateString('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
}

export function moment(time: string): string {
  return new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

export const KIND_WORD: Record<Kind, string> = { video: 'Video', audio: 'Audio', document: 'Document', captions: 'Captions' };

/** "Video · 2 min", "Document · 8 pages". */
export function describe(asset: Asset): string {
  const parts = [asset.kind ? KIND_WORD[asset.kind] : 'File'];
  if (asset.duration_ms != null) parts.push(duration(asset.duration_ms));
  if (asset.pages != null) parts.push(plural(asset.pages, 'page'));
  return parts.join(' · ');
}

/** The page that opens an asset. */
export function pathOf(asset: Asset): string {
  return asset.kind === 'video' || asset.kind === 'audio' ? `/watch/${asset.id}` : `/read/${asset.id}`;
}

/** What a stage does, for an instructor. */
export function stageWord(stage: string): string {
  return STAGES[stage]?.[0] ?? stage;
}

/** In the order in which an asset goes through them. */
export function stageOrder(stage: string): number {
  return STAGES[stage]?.[1] ?? 99;
}

const STAGES: Record<string, [string, number]> = {
  ingest: ['Checking the file', 0],
  transcode: ['Preparing to play', 1],
  transcribe: ['Writing down what is said', 2],
  extract: ['Reading the text', 3],
  embed: ['Understanding the text', 4],
  index: ['Adding to search', 5],
  publish: ['Publishing', 6],
  certify: ['Making the certificate', 7],
};

export function jobStateWord(state: string): string {
  return JOB_STATES[state] ?? state;
}

export const JOB_STATES: Record<string, string> = {
  queued: 'Waiting',
  running: 'Running',
  done: 'Done',
  dead: 'Failed',
  cancelled: 'Cancelled',
  parked: 'On hold',
};

/** How long something waits: "45 s", "3 min", "2 h", "4 days". */
export function age(seconds: number): string {
  if (seconds < 1) return 'not yet a second';
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

/** When a backlog will have passed: "Clear in about 12 min; with one more worker in 7 min". */
export function clearing({ clear_seconds: now, clear_seconds_with_one_more: more }: Backlog): string {
  if (now == null) return more == null ? 'Stands still' : `Stands still; one more worker would clear it in about ${span(more)}`;
  const gain = more != null && more < now * 0.9 ? `; with one more worker in ${span(more)}` : '';
  return `Clear in about ${span(now)}${gain}`;
}

/** At least a second: nothing is promised for at once. */
const span = (seconds: number) => age(Math.max(1, seconds));

/** The lanes, by how long what is in them may wait. */
export const LANES: Record<string, string> = { interactive: 'Urgent', default: 'Usual', backfill: 'Later' };

/** Why a pool takes nothing more, after the name of the host. */
export const CLOSED: Record<string, string> = {
  concurrency: 'as many run as may',
  memory: 'memory is used up',
  cpus: 'the cores are used up',
  paused: 'paused',
  dependency: 'a service it needs does not answer',
  stopping: 'stops',
};

/** What a class of failures means for who runs the server. */
export const FAILURE_CLASSES: Record<string, string> = {
  poison: 'This input cannot work; trying again helps only after a change of the program.',
  transient: 'It failed again and again, and may work now.',
  resource: 'It met a limit of memory or time, also with more of it.',
  dependency: 'A service it needs was away for too long.',
  lost: 'Its workers stopped without an answer, several times.',
};

/** Why an upload waits and when it may be ready, as far as the server says. */
export interface Wait {
  /** A code, such as `no_free_slot`. */
  reason: string;
  /** Jobs of the stage that go first. */
  ahead: number;
  ready_from?: string | null;
  ready_to?: string | null;
  paused_by?: string;
  /** Why it was paused. */
  note?: string;
  /** When it is tried again. */
  until?: string;
}

/** For the instructor: "Waits for a free worker, after 3 others. Ready between 10:05 and 10:20." */
export function waitingWords(wait: Wait): string {
  const after = wait.ahead > 0 ? `, after ${plural(wait.ahead, 'other')}` : '';
  const why = WAITS[wait.reason]?.(wait, after) ?? '';
  const ready =
    wait.ready_from != null && wait.ready_to != null ? `Ready between ${hour(wait.ready_from)} and ${hour(wait.ready_to)}.` : '';
  return [why, ready].filter((part) => part !== '').join(' ');
}

/** How long it will still take: "Ready in 2 to 5 min"; null when nothing can be said. `now` is in milliseconds. */
export function remaining({ ready_from, ready_to }: Pick<Wait, 'ready_from' | 'ready_to'>, now: number): string | null {
  if (ready_from == null || ready_to == null) return null;
  const [from, to] = [Date.parse(ready_from) - now, Date.parse(ready_to) - now];
  if (to <= 0) return 'Ready any moment';
  if (to < 60_000) return 'Ready in less than a minute';
  const [soon, late] = [Math.floor(Math.max(0, from) / 60_000), Math.ceil(to / 60_000)];
  if (late < 90) return soon === late || soon === 0 ? `Ready in ${soon === late ? 'about' : 'at most'} ${late} min` : `Ready in ${soon} to ${late} min`;
  return `Ready in ${duration(Math.max(0, from))} to ${duration(to)}`;
}

const WAITS: Record<string, (wait: Wait, after: string) => string> = {
  no_free_slot: (_, after) => `Waits for a free worker${after}.`,
  fair_share: (_, after) => `Waits its turn${after}: uploads of others go first now.`,
  paused: ({ paused_by, note }) => `Paused by ${paused_by ?? 'an operator'}${note ? `: ${note}` : ''}.`,
  back_off: ({ until }) => (until === undefined ? 'Is tried again soon.' : `Is tried again at ${hour(until)}.`),
  dependency_down: () => 'Waits for a service that does not answer; it goes on by itself.',
  no_worker: () => 'Waits, since no worker for this step runs now.',
};

function hour(time: string): string {
  return new Date(time).toLocaleTimeString('en-GB', { timeStyle: 'short' });
}

/** What an instructor should know about a published asset; the code itself when it is a new one. */
export function noticeWords(code: string): string {
  return NOTICES[code] ?? `The server left a note: ${code}.`;
}

const NOTICES: Record<string, string> = {
  sound_unsupported: 'The sound of this video is coded in a way that cannot be played here, so it is silent. Export it with AAC sound to have it heard.',
  captions_are_pictures:
    'This file has captions that are pictures of text, which cannot be read here. Upload them as WebVTT or SRT to have them shown.',
  partly_damaged: 'Parts of this file are damaged; they were left out.',
  ends_early: 'This file ends earlier than it says. Please check whether its end is missing.',
  speech_nonsense: 'Automatic captions could not be made: the speech-to-text engine answered with something that is no captions for this recording.',
  speech_refused: 'Automatic captions could not be made: the speech-to-text engine does not take this recording.',
  speech_failed: 'Automatic captions could not be made: the speech-to-text engine could not work on this recording.',
  speech_too_demanding: 'Automatic captions could not be made: the speech-to-text engine needs more time or memory for this recording than it has.',
  no_text_layer: 'This document is made of pictures of pages. Learners can read it, but search sees no text in it.',
  no_text: 'There is no text in this file, so search finds it by its title only.',
  truncated: 'This document is very long. Search covers its first part only.',
};
