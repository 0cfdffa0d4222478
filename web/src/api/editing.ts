/** What an instructor changes of a recording: its captions, chapters and picture. Each edit names the version it was made from. */
import { queryOptions } from '@tanstack/react-query';
import { ask, askWithEtag, worthRetrying } from './client';
import { isProblem } from './problem';
import type { Asset, Captions, CaptionsEdit, Chapter, Chapters, Poster } from './types';

/** Never kept: an editor opens with what is there, and a draft is never replaced under its writer's hands. */
const FRESH = { staleTime: Infinity, gcTime: 0, refetchOnMount: 'always', refetchOnWindowFocus: false, refetchOnReconnect: false } as const;

/** Captions that were sent a moment ago are waited for: they are read in seconds. */
export const captionsQuery = (id: string) =>
  queryOptions({
    queryKey: ['asset', id, 'captions'],
    queryFn: ({ signal }) => askWithEtag<Captions>(`/assets/${id}/captions`, { signal }),
    ...FRESH,
    retry: (failures, error) => (isProblem(error) && error.code === 'captions_not_read' ? failures < 20 : worthRetrying(failures, error)),
    retryDelay: 1000,
  });

export const chaptersQuery = (id: string) =>
  queryOptions({ queryKey: ['asset', id, 'chapters'], queryFn: ({ signal }) => askWithEtag<Chapters>(`/assets/${id}/chapters`, { signal }), ...FRESH });

export const postersQuery = (id: string) =>
  queryOptions({ queryKey: ['asset', id, 'posters'], queryFn: ({ signal }) => ask<Poster[]>(`/assets/${id}/posters`, { signal }), ...FRESH });

export const saveCaptions = (id: string, etag: string | null, edit: CaptionsEdit) =>
  askWithEtag<Captions>(`/assets/${id}/captions`, { method: 'PUT', body: edit, headers: { 'if-match': etag ?? '' } });

/** Captions that nobody has uploaded: they begin in the editor. */
export const makeCaptions = (courseId: string, recording: string, title: string, webvtt: string) =>
  ask<Asset>(`/courses/${courseId}/assets`, {
    method: 'POST',
    query: { file_name: 'captions.vtt', title, captions_for: recording },
    body: new Blob([webvtt], { type: 'text/vtt' }),
  });

export const saveChapters = (id: string, etag: string | null, chapters: Chapter[]) =>
  askWithEtag<Chapters>(`/assets/${id}/chapters`, { method: 'PUT', body: { chapters }, headers: { 'if-match': etag ?? '' } });

/** A picture of the instructor's own; it counts at once. */
export const uploadPoster = (id: string, file: File) => ask<void>(`/assets/${id}/poster/picture`, { method: 'PUT', body: file });

/** Null leaves the choice to the server. */
export const choosePoster = (id: string, file: string | null) => ask<Poster[]>(`/assets/${id}/poster`, { method: 'PUT', body: { file } });
