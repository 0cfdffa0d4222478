/** Search over everything that the person may see. */
import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';
import { ask } from './client';
import type { SearchAnswer } from './types';

export const searchQuery = (q: string, courseId: string | null) =>
  infiniteQueryOptions({
    queryKey: ['search', q, courseId],
    queryFn: ({ pageParam, signal }) =>
      ask<SearchAnswer>('/search', { query: { q, limit: 10, cursor: pageParam, course_id: courseId }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    enabled: q !== '',
    // the last answer stays on the page while the next one is on its way
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
