/** The ledger of jobs, for operators and for instructors about their own assets. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { ask } from './client';
import type { ActionAnswer, ActionRequest, DeadGroup, Job, Page, StageSummary } from './types';

/** As in the address of the page; an empty text means any. */
export interface JobFilter {
  state: string;
  stage: string;
  lane: string;
  asset_id: string;
  failure_code: string;
}

export const REFRESH_MS = 2000;

export const summaryQuery = (live: boolean) =>
  queryOptions({
    queryKey: ['jobs', 'summary'],
    queryFn: ({ signal }) => ask<StageSummary[]>('/jobs/summary', { signal }),
    refetchInterval: live ? REFRESH_MS : false,
  });

export const jobsQuery = (filter: JobFilter, live: boolean, limit = 50) =>
  infiniteQueryOptions({
    queryKey: ['jobs', 'list', filter, limit],
    queryFn: ({ pageParam, signal }) => ask<Page<Job>>('/jobs', { query: { ...filter, limit, cursor: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: live ? REFRESH_MS : false,
  });

export const deadQuery = (live: boolean) =>
  queryOptions({
    queryKey: ['jobs', 'dead'],
    queryFn: ({ signal }) => ask<DeadGroup[]>('/jobs/dead', { signal }),
    refetchInterval: live ? REFRESH_MS : false,
  });

/** The filter as an action takes it: only what is set. */
export function meaning({ state, ...rest }: JobFilter): NonNullable<ActionRequest['filter']> {
  const set = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== ''));
  return { ...set, ...(state === '' ? {} : { state: [state] }) } as NonNullable<ActionRequest['filter']>;
}

/** With `dry_run` nothing changes, and the answer says how many it would be. */
export function actOnJobs(request: ActionRequest): Promise<ActionAnswer> {
  return ask('/jobs/actions', { method: 'POST', body: request });
}

export function retryJob(id: string): Promise<void> {
  return ask(`/jobs/${id}/retry`, { method: 'POST' });
}

export function cancelJob(id: string): Promise<void> {
  return ask(`/jobs/${id}/cancel`, { method: 'POST' });
}
