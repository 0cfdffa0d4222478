/** The chapters of a film, the one that plays marked; each opens its beginning. */
import type { Chapter } from '../../api/types';
import { duration, timecode } from '../../words';
import { chapterAt, lengthOf } from './chapters';

interface Props {
  chapters: Chapter[];
  /** Seconds. */
  now: number;
  /** Seconds, of the whole. */
  total: number;
  onPick(second: number): void;
}

export function ChapterList({ chapters, now, total, onPick }: Props) {
  const current = chapterAt(chapters, now);
  return (
    <ol className="chapter-list">
      {chapters.map((chapter, index) => (
        <li key={chapter.start_s}>
          <button type="button" aria-current={index === current ? 'true' : undefined} onClick={() => onPick(chapter.start_s)}>
            <span className="transcript-time">{timecode(chapter.start_s)}</span>
            <span className="chapter-title">{chapter.title}</span>
            {total > 0 && <span className="chapter-length">{duration(lengthOf(chapters, index, total) * 1000)}</span>}
          </button>
        </li>
      ))}
    </ol>
  );
}
