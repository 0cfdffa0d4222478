import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useMemo, useSyncExternalStore } from 'react';
import { Uploads } from './uploads';

/** Each account has its own cache of answers, and so its own uploads. */
const ofAccount = new WeakMap<QueryClient, Uploads>();

/** The uploads of one course, and what can be done with them. */
export function useUploads(courseId: string) {
  const queries = useQueryClient();
  const uploads = ofAccount.get(queries) ?? new Uploads(queries);
  ofAccount.set(queries, uploads);
  const all = useSyncExternalStore(uploads.subscribe, uploads.all);
  const items = useMemo(() => all.filter((item) => item.courseId === courseId), [all, courseId]);
  return { items, uploads };
}
