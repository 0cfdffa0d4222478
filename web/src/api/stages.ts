/** Stages, their pools and pauses, and the hosts that work; for admins. */
import { queryOptions } from '@tanstack/react-query';
import { ask } from './client';
import { REFRESH_MS } from './jobs';
import type { Backlog, HostView, StageView } from './types';

export const stagesQuery = (live: boolean) =>
  queryOptions({
    queryKey: ['stages'],
    queryFn: ({ signal }) => ask<StageView[]>('/stages', { signal }),
    refetchInterval: live ? REFRESH_MS : false,
  });

/** When what waits will have passed. Made from a forecast that is dear: asked for less often. */
export const backlogsQuery = (live: boolean) =>
  queryOptions({
    queryKey: ['backlogs'],
    queryFn: ({ signal }) => ask<Backlog[]>('/backlogs', { signal }),
    refetchInterval: live ? 2 * REFRESH_MS : false,
  });

export const hostsQuery = (live: boolean) =>
  queryOptions({
    queryKey: ['workers'],
    queryFn: ({ signal }) => ask<HostView[]>('/workers', { signal }),
    refetchInterval: live ? REFRESH_MS : false,
  });

/** Jobs at the same time in one process, on every host. */
export function setConcurrency(stage: string, concurrency: number): Promise<unknown> {
  return ask(`/settings/stages.${stage}.concurrency`, { method: 'PUT', body: { value: concurrency } });
}

export function pauseStage(stage: string, reason: string): Promise<unknown> {
  return ask(`/stages/${stage}/pause`, { method: 'PUT', body: { reason } });
}

/** Takes one pause back: of the stage on every host, or on the one that is named. */
export function resumeStage(stage: string, host: string | null | undefined): Promise<void> {
  return ask(`/stages/${stage}/pause`, { method: 'DELETE', query: { host } });
}

export function drainHost(host: string, reason: string): Promise<unknown> {
  return ask(`/hosts/${encodeURIComponent(host)}/drain`, { method: 'PUT', body: { reason } });
}

export function undrainHost(host: string): Promise<void> {
  return ask(`/hosts/${encodeURIComponent(host)}/drain`, { method: 'DELETE' });
}
