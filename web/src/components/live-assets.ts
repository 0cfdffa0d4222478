/**
 * Keeps the unfinished assets of a course up to date while its page is open: a stream of events for a few of them,
 * since a browser opens six connections to a server at most, and a look every few seconds at the others.
 */
import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { watchAsset } from '../api/assets';
import { courseQuery } from '../api/courses';
import { isProblem } from '../api/problem';
import type { Asset, Course } from '../api/types';

const STREAMS = 3;
const LOOK_MS = 3000;
/** Before a broken stream is opened again. */
const REOPEN_MS = 2000;

export function useLiveAssets(course: Course | undefined): void {
  const queries = useQueryClient();
  const processing = course ? allAssets(course).filter(isInWork) : [];
  const streamed = processing.slice(0, STREAMS).map((asset) => asset.id);
  const courseId = course?.id ?? '';

  const ids = streamed.join();
  useEffect(() => {
    const stop = new AbortController();
    for (const id of ids.split(',').filter(Boolean)) void follow(id, courseId, queries, stop.signal);
    return () => stop.abort();
  }, [ids, courseId, queries]);

  const others = processing.length > streamed.length;
  useEffect(() => {
    if (!others) return;
    const timer = setInterval(() => void queries.invalidateQueries({ queryKey: ['course', courseId] }), LOOK_MS);
    return () => clearInterval(timer);
  }, [others, courseId, queries]);
}

/** Even what can be watched may not be complete. */
function isInWork(asset: Asset): boolean {
  return asset.state === 'processing' || (asset.state === 'published' && !asset.complete);
}

async function follow(id: string, courseId: string, queries: QueryClient, signal: AbortSignal): Promise<void> {
  let finished = false;
  while (!signal.aborted) {
    try {
      await watchAsset(
        id,
        (asset) => {
          finished = !isInWork(asset);
          queries.setQueryData(courseQuery(courseId).queryKey, (course) => course && { ...course, ...withAsset(course, asset) });
        },
        signal,
      );
    } catch (error) {
      if (isProblem(error) && error.status >= 400 && error.status < 500) return; // gone, or not ours
    }
    if (signal.aborted) return;
    if (finished) return void queries.invalidateQueries({ queryKey: ['course', courseId] });
    await new Promise((resolve) => setTimeout(resolve, REOPEN_MS));
  }
}

/** Every asset once, though it may stand in several lessons. */
export function allAssets(course: Course): Asset[] {
  const all = [...course.materials, ...course.modules.flatMap((m) => m.lessons.flatMap((l) => l.assets))];
  return [...new Map(all.map((asset) => [asset.id, asset])).values()];
}

/** The course with this asset in the place of the one it replaces; a new one goes to the materials. */
export function withAsset(course: Course, asset: Asset): Course {
  const put = (assets: Asset[]) => assets.map((a) => (a.id === asset.id ? asset : a));
  const known = allAssets(course).some((a) => a.id === asset.id);
  return {
    ...course,
    materials: known ? put(course.materials) : [...course.materials, asset],
    modules: course.modules.map((module) => ({
      ...module,
      lessons: module.lessons.map((lesson) => ({ ...lesson, assets: put(lesson.assets) })),
    })),
  };
}
