/** The ledger of jobs, for operators and for instructors about their own assets. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { ask } from './client';
import type { Job, Page, StageSummary } from './types';

export interface JobFilter {
  state: string;
  stage: string;
  asset_id: string;
}

const REFRESH_MS = 2000;

export const summaryQuery = (live: boolean) =>
  queryOptions({
    queryKey: ['jobs', 'summary'],
    queryFn: ({ signal }) => ask<StageSummary[]>('/jobs/summary', { signal }),
    refetchInterval: live ? REFRESH_MS : false,
  });

export const jobsQuery = (filter: JobFilter, live: boolean) =>
  infiniteQueryOptions({
    queryKey: ['jobs', 'list', filter],
    queryFn: ({ pageParam, signal }) => ask<Page<Job>>('/jobs', { query: { ...filter, limit: 50, cursor: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: live ? REFRESH_MS : false,
  });

export function retryJob(id: string): Promise<void> {
  return ask(`/jobs/${id}/retry`, { method: 'POST' });
}

export function cancelJob(id: string): Promise<void> {
  return ask(`/jobs/${id}/cancel`, { method: 'POST' });
}
