/**
 * Search as you type. The query lives in the address (?q=, ?course=), so that Back from a hit finds the list again.
 * The arrow keys walk through the hits, Enter goes to the first one, Escape comes back and then clears.
 */
import { useInfiniteQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { useSearchParams } from 'react-router';
import { searchQuery } from '../api/search';
import type { SearchAnswer } from '../api/types';
import { plural, took } from '../words';
import { HitLink } from './hit';
import { Icon } from './icon';
import { ProblemNotice } from './problem-notice';
import { Empty, Loading } from './states';

/** Long enough for a fast typist's next key, short enough to feel immediate. */
const PAUSE_MS = 180;

interface Props {
  /** The courses that can be searched alone. */
  courses: { id: string; title: string }[];
}

export function Search({ courses }: Props) {
  const [params, setParams] = useSearchParams();
  const asked = params.get('q')?.trim() ?? '';
  const courseId = params.get('course');
  const [text, setText] = useState(asked);
  const box = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const wantsFirst = useRef(false);

  const { data, error, isFetching, isPlaceholderData, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    searchQuery(asked, courseId),
  );
  const hits = data?.pages.flatMap((page) => page.items) ?? [];

  function change(changes: { q?: string; course?: string }) {
    setParams(
      (old) => {
        const next = new URLSearchParams(old);
        for (const [key, value] of Object.entries(changes)) {
          if (value === '') next.delete(key);
          else next.set(key, value);
        }
        return next;
      },
      { replace: true },
    );
  }

  useEffect(() => {
    if (text.trim() === asked) return;
    const timer = setTimeout(() => change({ q: text.trim() }), PAUSE_MS);
    return () => clearTimeout(timer);
  });

  // Back and Forward change the address; the field follows
  const lastAsked = useRef(asked);
  useEffect(() => {
    if (lastAsked.current !== asked && document.activeElement !== input.current) setText(asked);
    lastAsked.current = asked;
  }, [asked]);

  useEffect(() => {
    if (!wantsFirst.current || isFetching || isPlaceholderData || text.trim() !== asked) return;
    wantsFirst.current = false;
    linksIn(box.current)[0]?.focus();
  });

  function walk(event: KeyboardEvent) {
    const links = linksIn(box.current);
    const at = links.indexOf(document.activeElement as HTMLAnchorElement);
    if (event.key === 'ArrowDown' && links.length > 0) links[Math.min(at + 1, links.length - 1)]!.focus();
    else if (event.key === 'ArrowUp' && at >= 0) (links[at - 1] ?? input.current)?.focus();
    else if (event.key === 'Escape' && at >= 0) input.current?.focus();
    else if (event.key === 'Escape' && text !== '') setText('');
    else return;
    event.preventDefault();
  }

  return (
    <div className="search" ref={box} onKeyDown={walk}>
      <form
        role="search"
        className="search-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() === '') return;
          wantsFirst.current = true;
          change({ q: text.trim() });
        }}
      >
        <Icon name="search" size={24} />
        <input
          ref={input}
          type="search"
          aria-label="Search your courses"
          aria-describedby="search-keys"
          placeholder="Ask your courses anything"
          autoComplete="off"
          spellCheck={false}
          enterKeyHint="search"
          maxLength={250}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        {text !== '' && (
          <button
            type="button"
            className="button icon-only"
            aria-label="Clear the search"
            onClick={() => {
              setText('');
              input.current?.focus();
            }}
          >
            <Icon name="cross" />
          </button>
        )}
        {courses.length > 1 && (
          <select aria-label="Search in" value={courseId ?? ''} onChange={(event) => change({ course: event.target.value })}>
            <option value="">All courses</option>
            {courses.map((course) => (
              <option key={course.id} value={course.id}>
                {course.title}
              </option>
            ))}
          </select>
        )}
      </form>
      <p id="search-keys" className="visually-hidden">
        Results appear as you type. Use the down arrow to go to them.
      </p>
      {asked !== '' && (
        <section aria-label="Results" aria-busy={isFetching}>
          <Summary answer={data?.pages[0]} current={!isPlaceholderData} shown={hits.length} query={asked} />
          {error && !isFetching && <ProblemNotice problem={error} onRetry={() => void refetch()} />}
          {!data && !error && <Loading what="results" />}
          {data && hits.length === 0 && !isPlaceholderData && (
            <Empty title={`Nothing found for “${asked}”`}>
              <p>Try fewer or more common words{courseId === null ? '' : ', or search all courses'}. Search covers the courses you have joined.</p>
            </Empty>
          )}
          <ol className={`hits${isPlaceholderData ? ' stale' : ''}`}>
            {hits.map((hit) => (
              <li key={hit.url + hit.snippet}>
                <HitLink hit={hit} query={asked} />
              </li>
            ))}
          </ol>
          {hasNextPage && (
            <button type="button" className="button" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
              {isFetchingNextPage ? 'Loading …' : 'More results'}
            </button>
          )}
        </section>
      )}
    </div>
  );
}

interface SummaryProps {
  answer: SearchAnswer | undefined;
  current: boolean;
  shown: number;
  query: string;
}

function Summary({ answer, current, shown, query }: SummaryProps) {
  const words = answer && current && shown > 0 ? `${plural(answer.total, 'result')} for “${query}”` : '';
  return (
    <div className="search-summary">
      <p role="status" className="fine">
        {words}
        {words && <span aria-hidden="true"> · {took(answer!.took_ms)}</span>}
      </p>
      {answer && answer.mode !== 'hybrid' && (
        <p className="notice">
          Searching by {answer.mode === 'lexical' ? 'words only, not by meaning' : 'meaning only, not by words'}
          {answer.mode_reason ? `: ${answer.mode_reason}` : ''}.
        </p>
      )}
    </div>
  );
}

function linksIn(box: HTMLElement | null): HTMLAnchorElement[] {
  return [...(box?.querySelectorAll<HTMLAnchorElement>('a.hit') ?? [])];
}
