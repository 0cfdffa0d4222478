/** Other sources for an asset: sending one, those that there were, taking one up again. */
import { queryOptions } from '@tanstack/react-query';
import { ask } from './client';
import type { Version } from './types';
import { send } from './upload';

/** While something is being made of one, one looks again this often. */
const IN_WORK_MS = 1500;

export const versionsQuery = (id: string) =>
  queryOptions({
    queryKey: ['asset', id, 'versions'],
    queryFn: ({ signal }) => ask<Version[]>(`/assets/${id}/versions`, { signal }),
    refetchInterval: ({ state: { data } }) => (data?.some((version) => version.state === 'processing') ? IN_WORK_MS : false),
  });

/** Sends another file for an asset. Rejects with a Problem, or with an AbortError when the signal says so. */
export const replaceSource = (id: string, file: File, onProgress: (sentBytes: number) => void, signal: AbortSignal): Promise<Version> =>
  send<Version>('PUT', `/assets/${id}/source`, { file_name: file.name }, file, onProgress, signal);

export const restoreVersion = (id: string, number: number) => ask<Version>(`/assets/${id}/versions/${number}/restore`, { method: 'POST' });

export const deleteVersion = (id: string, number: number) => ask<void>(`/assets/${id}/versions/${number}`, { method: 'DELETE' });
