/**
 * The queue of uploads: two at a time, captions when the media beside them are there. It lives outside the pages, so
 * that an upload goes on while its instructor looks at something else; only leaving the site ends it, with a warning.
 */
import type { QueryClient } from '@tanstack/react-query';
import { courseQuery } from '../../api/courses';
import { asProblem, Problem } from '../../api/problem';
import type { Asset } from '../../api/types';
import { upload } from '../../api/upload';
import { allAssets, withAsset } from '../live-assets';
import { plan, videoFor } from './upload-plan';

export interface UploadItem {
  key: number;
  courseId: string;
  file: File;
  title: string;
  belongsTo: string | null;
  state: 'waiting' | 'sending' | 'failed';
  sent: number;
  /** Milliseconds, by performance.now(). */
  startedAt: number;
  problem: Problem | null;
}

const AT_ONCE = 2;

export class Uploads {
  private items: UploadItem[] = [];
  private readonly running = new Map<number, AbortController>();
  private readonly listeners = new Set<() => void>();
  private lastKey = 0;

  constructor(private readonly queries: QueryClient) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The same array until something changes. */
  readonly all = (): UploadItem[] => this.items;

  add(courseId: string, files: File[]): void {
    const { accepted, refused } = plan(files);
    const item = (file: File, more: Partial<UploadItem>): UploadItem => ({
      ...{ key: ++this.lastKey, courseId, file, title: file.name, belongsTo: null, state: 'waiting', sent: 0, startedAt: 0, problem: null },
      ...more,
    });
    this.set([
      ...this.items,
      ...accepted.map(({ file, title, belongsTo }) => item(file, { title, belongsTo })),
      ...refused.map(({ file, why }) => item(file, { state: 'failed', problem: new Problem(0, 'empty_file', why) })),
    ]);
  }

  retry(key: number): void {
    this.update(key, { state: 'waiting', sent: 0, problem: null });
  }

  /** Stops it if it is being sent, and takes it off the list. */
  drop(key: number): void {
    this.running.get(key)?.abort();
    this.set(this.items.filter((item) => item.key !== key));
  }

  private async send(item: UploadItem, stop: AbortController): Promise<void> {
    const { key, courseId, file, title, belongsTo } = item;
    try {
      const course = this.queries.getQueryData(courseQuery(courseId).queryKey);
      const parent = belongsTo === null || !course ? null : videoFor(belongsTo, allAssets(course));
      const asset = await upload({ courseId, file, title, captionsFor: parent?.id ?? null }, (sent) => this.update(key, { sent }), stop.signal);
      this.show(asset);
      this.running.delete(key);
      this.drop(key);
    } catch (error) {
      this.running.delete(key);
      this.update(key, { state: 'failed', problem: asProblem(error) }); // does nothing for one that was dropped
    }
  }

  /** The new asset stands on its course's page at once, before the course is asked for again. */
  private show(asset: Asset): void {
    this.queries.setQueryData(courseQuery(asset.course_id).queryKey, (course) => course && { ...course, ...withAsset(course, asset) });
    void this.queries.invalidateQueries({ queryKey: ['course', asset.course_id] });
  }

  private update(key: number, to: Partial<UploadItem>): void {
    this.set(this.items.map((item) => (item.key === key ? { ...item, ...to } : item)));
  }

  private set(items: UploadItem[]): void {
    this.items = items;
    this.startWhatCan();
    if (this.items.some((item) => item.state !== 'failed')) window.addEventListener('beforeunload', warn);
    else window.removeEventListener('beforeunload', warn);
    for (const listener of this.listeners) listener();
  }

  private startWhatCan(): void {
    const mediaUnderWay = (courseId: string) =>
      this.items.some((item) => item.courseId === courseId && item.belongsTo === null && item.state !== 'failed');
    for (const item of this.items) {
      if (this.running.size >= AT_ONCE) return;
      if (item.state !== 'waiting' || (item.belongsTo !== null && mediaUnderWay(item.courseId))) continue;
      const stop = new AbortController();
      this.running.set(item.key, stop);
      this.items = this.items.map((i) => (i.key === item.key ? { ...i, state: 'sending', startedAt: performance.now() } : i));
      void this.send(item, stop);
    }
  }
}

function warn(event: BeforeUnloadEvent): void {
  event.preventDefault();
}
