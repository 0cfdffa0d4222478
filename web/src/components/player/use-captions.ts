/**
 * Caption files, fetched once: their signed addresses change while the page is open, the captions do not. The
 * transcript reads the cues; caption-line.tsx shows them over the picture.
 */
import { type UseQueryResult, useQueries } from '@tanstack/react-query';
import { parseProblem, unreachable } from '../../api/problem';
import type { CaptionTrack } from '../../api/types';
import { pathOfMedia } from './media-path';
import { type Cue, parseVtt } from './vtt';

export interface CaptionFile {
  id: string;
  language?: string | null;
  label: string;
  /** Made by a machine, and seen through by nobody yet. */
  auto: boolean;
  text: string;
  cues: Cue[];
}

export function useCaptions(tracks: CaptionTrack[]) {
  return useQueries({
    queries: tracks.map((track) => ({
      queryKey: ['captions', trackId(track), pathOfMedia(track.url)],
      queryFn: () => fetchCaptions(track),
      staleTime: Infinity,
      gcTime: 0, // they may be edited before they are shown again
    })),
    combine,
  });
}

function combine(results: UseQueryResult<CaptionFile>[]) {
  return {
    files: results.flatMap((r) => (r.data ? [r.data] : [])),
    loading: results.some((r) => r.isPending),
    error: results.find((r) => r.error)?.error ?? null,
  };
}

async function fetchCaptions({ asset_id, language, label, auto, url }: CaptionTrack): Promise<CaptionFile> {
  const answer = await fetch(url).catch(() => {
    throw unreachable();
  });
  const text = await answer.text();
  if (!answer.ok) throw parseProblem(answer.status, text, answer.headers.get('x-request-id'));
  return { id: trackId({ asset_id, language }), language, label, auto, text, cues: parseVtt(text) };
}

/** Captions that came inside the film share its id: only the language tells them apart. */
function trackId({ asset_id, language }: Pick<CaptionTrack, 'asset_id' | 'language'>): string {
  return `${asset_id}:${language ?? ''}`;
}
