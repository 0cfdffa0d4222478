/** The pictures for the seek bar, fetched once; without them the seek bar shows times only. */
import { useQuery } from '@tanstack/react-query';
import type { Playback } from '../../api/types';
import { pathOfMedia } from './media-path';
import { beside, parseStoryboard, type Thumb } from './storyboard';

export interface Storyboard {
  thumbs: Thumb[];
  /** Where a picture can be had now: signed addresses change while the page is open. */
  address(thumb: Thumb): string;
}

/** A recording without pictures has none. */
export function useStoryboard({ storyboard_url }: Playback): Storyboard {
  const address = storyboard_url ?? '';
  const { data } = useQuery({
    queryKey: ['storyboard', pathOfMedia(address)],
    queryFn: async ({ signal }) => {
      const answer = await fetch(address, { signal });
      return answer.ok ? parseStoryboard(await answer.text()) : [];
    },
    enabled: address !== '',
    staleTime: Infinity,
    retry: false,
  });
  return { thumbs: data ?? NONE, address: (thumb) => beside(address, thumb.file) };
}

const NONE: Thumb[] = [];
