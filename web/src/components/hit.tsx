/** One search hit: a link to the second or the page, with the found words and where they stand. */
import { Link } from 'react-router';
import type { Hit } from '../api/types';
import { KIND_WORD } from '../words';
import { Icon } from './icon';
import { Snippet } from './snippet';

/** `query` goes along in the history entry, so that the page can mark the words it was opened for. */
export function HitLink({ hit, query }: { hit: Hit; query?: string }) {
  return (
    <Link className="hit" to={hit.url} state={query === undefined ? null : { query }} data-kind={hit.kind}>
      <span className="place" title={hit.label}>
        <Icon name={hit.kind} size={16} />
        <span>{hit.label || KIND_WORD[hit.kind]}</span>
      </span>
      <span className="hit-body">
        <span className="hit-title">{hit.title}</span>
        {hit.snippet && (
          <span className="hit-snippet">
            <Snippet html={hit.snippet} />
          </span>
        )}
        <span className="fine">
          {hit.course_title}
          {hit.lesson_title && hit.lesson_title !== hit.title && <> › {hit.lesson_title}</>}
        </span>
      </span>
    </Link>
  );
}

/** The words that a page was opened for, if it was opened by a hit. */
export function queryOf(state: unknown): string {
  const query = state && typeof state === 'object' ? (state as { query?: unknown }).query : null;
  return typeof query === 'string' ? query : '';
}
