/**
 * The seek bar: what is played and loaded, where chapters begin, and a look at the moment under the pointer, the finger
 * or the focus.
 */
import { type CSSProperties, type PointerEvent, useState } from 'react';
import type { Chapter } from '../../api/types';
import { timecode } from '../../words';
import { chapterAt, marks } from './chapters';
import { thumbAt } from './storyboard';
import type { Storyboard } from './use-storyboard';
import type { VideoState } from './use-video';

interface Props {
  state: VideoState;
  chapters: Chapter[];
  storyboard: Storyboard;
  seek(second: number): void;
}

/** The bar's step, in seconds. */
const STEP = 0.1;
/** The thumb is this wide, in pixels: at both ends its middle stands half of it inside the bar. */
const THUMB = 14;

export function SeekBar({ state, chapters, storyboard, seek }: Props) {
  const { now, duration, loadedTo } = state;
  const [pointed, setPointed] = useState<number | null>(null);
  const [focused, setFocused] = useState(false);
  const shown = pointed ?? (focused ? now : null);
  const chapter = chapters[chapterAt(chapters, now)];

  function point(event: PointerEvent<HTMLInputElement>) {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const part = (event.clientX - left - THUMB / 2) / (width - THUMB);
    setPointed(Math.min(1, Math.max(0, part)) * duration);
  }

  return (
    <div className="seek-bar">
      {shown !== null && duration > 0 && <Preview second={shown} part={shown / duration} chapters={chapters} storyboard={storyboard} />}
      <input
        type="range"
        className="seek"
        aria-label="Position"
        aria-valuetext={`${timecode(now)} of ${timecode(duration)}${chapter ? `, ${chapter.title}` : ''}`}
        min={0}
        max={inSteps(duration) || 1}
        step={STEP}
        value={inSteps(Math.min(now, duration))}
        onChange={(event) => seek(Number(event.target.value))}
        onPointerMove={point}
        onPointerDown={point}
        onPointerUp={(event) => event.pointerType !== 'mouse' && setPointed(null)}
        onPointerLeave={() => setPointed(null)}
        onPointerCancel={() => setPointed(null)}
        onFocus={(event) => setFocused(event.currentTarget.matches(':focus-visible'))}
        onKeyDown={() => setFocused(true)}
        onBlur={() => setFocused(false)}
        style={{ '--played': at(duration > 0 ? now / duration : 0), '--loaded': at(duration > 0 ? Math.max(loadedTo, now) / duration : 0) } as CSSProperties}
      />
      {marks(chapters, duration).map((part) => (
        <i key={part} className="seek-mark" aria-hidden="true" style={{ insetInlineStart: at(part) }} />
      ))}
    </div>
  );
}

function Preview({ second, part, chapters, storyboard }: { second: number; part: number; chapters: Chapter[]; storyboard: Storyboard }) {
  const thumb = thumbAt(storyboard.thumbs, second);
  const chapter = chapters[chapterAt(chapters, second)];
  // a width that is known beforehand stays within the player at both ends
  const width = Math.max(thumb?.w ?? 0, chapter ? 176 : 72) + 2;
  return (
    <div className="seek-preview" aria-hidden="true" style={{ '--at': at(part), '--width': `${width}px` } as CSSProperties}>
      {thumb && (
        <span
          className="seek-picture"
          data-at={`${thumb.file} ${thumb.x},${thumb.y}`}
          style={{
            width: thumb.w,
            height: thumb.h,
            backgroundImage: `url("${storyboard.address(thumb)}")`,
            backgroundPosition: `${-thumb.x}px ${-thumb.y}px`,
          }}
        />
      )}
      {chapter && <span className="seek-chapter">{chapter.title}</span>}
      <span className="seek-time">{timecode(second)}</span>
    </div>
  );
}

/**
 * The browser rounds a value to the bar's steps. React would take that for somebody moving the thumb back to where it was
 * and undo the move that it has just told of.
 */
function inSteps(second: number): number {
  return Math.floor(second / STEP + 1e-6) / Math.round(1 / STEP);
}

/** Where a part of the whole stands on the bar: at the middle of the thumb when the film is there. */
function at(part: number): string {
  return `calc(${THUMB / 2}px + (100% - ${THUMB}px) * ${part})`;
}
