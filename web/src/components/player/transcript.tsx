/** What is said, beside the film: follows it, is searched, and every line opens its second. */
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { plural, timecode } from '../../words';
import { Icon } from '../icon';
import type { CaptionFile } from './use-captions';
import { found } from './found';
import { cueAt } from './vtt';

interface Props {
  /** In every language there is. */
  files: CaptionFile[];
  chosen: CaptionFile;
  onChoose(file: CaptionFile): void;
  /** Seconds. */
  now: number;
  onPick(second: number): void;
}

export function Transcript({ files, chosen, onChoose, now, onPick }: Props) {
  const { cues } = chosen;
  const list = useRef<HTMLOListElement>(null);
  const [filter, setFilter] = useState('');
  const [following, setFollowing] = useState(true);
  const current = cueAt(cues, now);
  const wanted = filter.trim().toLowerCase();
  const shown = cues.map((cue, index) => ({ cue, index })).filter(({ cue }) => wanted === '' || cue.text.toLowerCase().includes(wanted));

  useEffect(() => {
    const box = list.current;
    const line = box?.querySelector<HTMLElement>('[aria-current]');
    if (!box || !line || !following) return;
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    // only the list scrolls, never the page under the viewer's eyes
    box.scrollTo({ top: line.offsetTop - box.clientHeight / 3, behavior: calm ? 'auto' : 'smooth' });
  }, [current, following, filter]);

  function walk(event: KeyboardEvent) {
    const lines = [...list.current!.querySelectorAll<HTMLElement>('button')];
    const at = lines.indexOf(document.activeElement as HTMLElement);
    const to = event.key === 'ArrowDown' ? at + 1 : event.key === 'ArrowUp' ? at - 1 : -1;
    if (!lines[to]) return;
    event.preventDefault(); // and with it the player's own arrows
    setFollowing(false);
    lines[to].focus();
  }

  const stop = () => setFollowing(false);
  const tabStop = shown.some((s) => s.index === current) ? current : shown[0]?.index;
  return (
    <section className="transcript" aria-label="Transcript">
      <div className="transcript-head">
        <h2 className="visually-hidden">Transcript</h2>
        {files.length > 1 && (
          <select aria-label="Language" value={chosen.id} onChange={(event) => onChoose(files.find((f) => f.id === event.target.value)!)}>
            {files.map((file) => (
              <option key={file.id} value={file.id}>
                {file.auto ? `${file.label} (automatic)` : file.label}
              </option>
            ))}
          </select>
        )}
        <input type="search" aria-label="Find in the transcript" placeholder="Find what was said" value={filter} onChange={(e) => setFilter(e.target.value)} />
        <span className="transcript-count fine" role="status">
          {wanted !== '' && plural(shown.length, 'line')}
        </span>
      </div>
      {chosen.auto && <p className="transcript-auto fine">Made by a machine: there may be mistakes.</p>}
      <ol ref={list} tabIndex={-1} onWheel={stop} onTouchMove={stop} onKeyDown={walk}>
        {shown.map(({ cue, index }) => (
          <li key={index}>
            <button
              type="button"
              tabIndex={index === tabStop ? 0 : -1}
              aria-current={index === current ? 'true' : undefined}
              onClick={() => {
                setFollowing(true);
                onPick(cue.start);
              }}
            >
              <span className="transcript-time">{timecode(cue.start)}</span>
              <span>
                {cue.voice !== null && cue.voice !== cues[index - 1]?.voice && <b>{cue.voice}: </b>}
                {found(cue.text, wanted).map((piece, i) => (piece.hit ? <mark key={i}>{piece.text}</mark> : piece.text))}
              </span>
            </button>
          </li>
        ))}
        {shown.length === 0 && <li className="fine transcript-none">No line has “{filter.trim()}”.</li>}
      </ol>
      {!following && wanted === '' && (
        <button type="button" className="button follow" onClick={() => setFollowing(true)}>
          <Icon name="retry" size={16} /> Follow the film
        </button>
      )}
    </section>
  );
}
