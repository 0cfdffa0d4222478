/** Assets: what was uploaded, and what learners watch and read of it. Uploading is in upload.ts. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { renewAfter } from '../components/player/media-token';
import { ask } from './client';
import { listen } from './event-stream';
import type { Asset, Chunk, Hit, Page, Playback, Source } from './types';

export const assetQuery = (id: string) =>
  queryOptions({ queryKey: ['asset', id], queryFn: ({ signal }) => ask<Asset>(`/assets/${id}`, { signal }) });

/** An answer with a signed address is never kept for a later visit, and not replaced while a page uses it. */
const SIGNED = { staleTime: 0, gcTime: 0, refetchOnWindowFocus: false, refetchOnReconnect: false } as const;

/** Signed addresses end; while the page is open they are renewed a while before. */
/** How often one looks whether a film that is still being made is complete, with its pictures for the seek bar. */
const IN_WORK_MS = 10_000;

export const playbackQuery = (id: string) =>
  queryOptions({
    queryKey: ['asset', id, 'playback'],
    queryFn: ({ signal }) => ask<Playback>(`/assets/${id}/playback`, { signal }),
    ...SIGNED,
    refetchInterval: ({ state: { data } }) => (data ? Math.min(renewAfter(data.expires_in), data.complete ? Infinity : IN_WORK_MS) : false),
    refetchIntervalInBackground: true, // sound plays on behind another tab
  });

export const sourceQuery = (id: string) =>
  queryOptions({
    queryKey: ['asset', id, 'source'],
    queryFn: ({ signal }) => ask<Source>(`/assets/${id}/source`, { signal }),
    ...SIGNED,
  });

export const chunksQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ['asset', id, 'chunks'],
    queryFn: ({ pageParam, signal }) => ask<Page<Chunk>>(`/assets/${id}/chunks`, { query: { cursor: pageParam, limit: 100 }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    staleTime: Infinity,
  });

export const similarQuery = (id: string) =>
  queryOptions({
    queryKey: ['asset', id, 'similar'],
    queryFn: async ({ signal }) => (await ask<{ items: Hit[] }>(`/assets/${id}/similar`, { query: { limit: 5 }, signal })).items,
  });

/** Remembers for this account, on all of its devices, where it stopped. */
export function keepPosition(id: string, second: number): Promise<void> {
  return ask(`/assets/${id}/position`, { method: 'PUT', body: { at_s: second }, keepalive: true });
}

export function retryAsset(id: string): Promise<void> {
  return ask(`/assets/${id}/retry`, { method: 'POST' });
}

/** Calls back with the asset on every change, until it is published or failed or the signal aborts. */
export function watchAsset(id: string, onChange: (asset: Asset) => void, signal: AbortSignal): Promise<void> {
  return listen(
    `/assets/${id}/progress`,
    (event) => {
      if (event.name === 'asset') onChange(JSON.parse(event.data) as Asset);
    },
    signal,
  );
}
