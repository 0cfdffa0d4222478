/** A document as plain reading text, opened at a passage. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { Link } from 'react-router';
import { chunksQuery } from '../../api/assets';
import type { Asset } from '../../api/types';
import { timecode } from '../../words';
import { ProblemNotice } from '../problem-notice';
import { Empty, Loading } from '../states';
import { split, wordPattern } from './found-words';
import { type Passage, passages } from './reading';

interface Props {
  asset: Asset;
  /** Ordinal of the passage to open at. */
  chunk: number | null;
  /** Page to open at, where the document has pages. */
  page: number | null;
  query: string;
}

export function TextView({ asset, chunk, page, query }: Props) {
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useInfiniteQuery(chunksQuery(asset.id));
  const read = passages(data?.pages.flatMap((p) => p.items) ?? []);
  const target = read.find((p) => (chunk !== null ? p.ordinal === chunk : page !== null && p.place !== null && 'page' in p.place && p.place.page >= page));
  const wanted = chunk !== null || page !== null;

  // what the link is for may stand far down
  useEffect(() => {
    if (wanted && !target && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  });
  const mark = useRef<HTMLDivElement>(null);
  const targetOrdinal = target?.ordinal;
  useEffect(() => {
    if (targetOrdinal !== undefined) mark.current?.scrollIntoView({ block: 'center' });
  }, [targetOrdinal]);

  if (error && !data) return <ProblemNotice problem={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading what="the text" />;
  if (read.length === 0) return <Empty title="There is no text in this document." />;
  const pattern = wordPattern(query);
  return (
    <article className="prose" aria-label={asset.title}>
      {read.map((passage) => (
        <div
          key={passage.ordinal}
          ref={passage === target ? mark : null}
          id={`chunk-${passage.ordinal}`}
          className={`passage${passage === target ? ' target' : ''}`}
          data-chunk={passage.ordinal}
        >
          <PassageText passage={passage} pattern={passage === target ? pattern : null} parent={asset.parent_id ?? null} />
        </div>
      ))}
      {hasNextPage && (
        <button type="button" className="button" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {isFetchingNextPage ? 'Loading …' : 'Read on'}
        </button>
      )}
    </article>
  );
}

function PassageText({ passage, pattern, parent }: { passage: Passage; pattern: RegExp | null; parent: string | null }) {
  const { headings, place, blocks } = passage;
  return (
    <>
      {place && 'page' in place && <p className="passage-place">Page {place.page}</p>}
      {place && 'second' in place && (
        <p className="passage-place">{parent ? <Link to={`/watch/${parent}?t=${place.second}`}>{timecode(place.second)}</Link> : timecode(place.second)}</p>
      )}
      {headings.map(({ text, depth }) => {
        const Heading = (['h2', 'h3', 'h4', 'h5'] as const)[Math.min(depth, 4) - 1]!;
        return <Heading key={depth + text}>{text}</Heading>;
      })}
      {blocks.map((block, i) =>
        block.type === 'paragraph' ? (
          <p key={i}>
            <Marked text={block.text} pattern={pattern} />
          </p>
        ) : (
          <ul key={i}>
            {block.items.map((item, j) => (
              <li key={j}>
                <Marked text={item} pattern={pattern} />
              </li>
            ))}
          </ul>
        ),
      )}
    </>
  );
}

function Marked({ text, pattern }: { text: string; pattern: RegExp | null }) {
  if (!pattern) return text;
  return split(text, pattern).map((piece, i) => (piece.found ? <mark key={i}>{piece.text}</mark> : piece.text));
}
