/** The chapters of a recording: added at the playhead, named, moved and removed; saved all at once. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { Answer } from '../../api/client';
import { chaptersQuery, saveChapters } from '../../api/editing';
import { asProblem, type Problem } from '../../api/problem';
import type { Asset, Chapter, Chapters } from '../../api/types';
import { timecode } from '../../words';
import { Icon } from '../icon';
import { chapterAt } from '../player/chapters';
import { ProblemNotice } from '../problem-notice';
import { Empty, Loading } from '../states';
import { TimeField } from './time-field';
import { useWarning } from './use-warning';

interface Props {
  asset: Asset;
  /** Seconds. */
  duration: number;
  now: number;
  onPlay(second: number): void;
  /** What the player is to show. */
  onPreview(chapters: Chapter[]): void;
}

export function ChaptersEditor(props: Props) {
  const { data, error, refetch } = useQuery(chaptersQuery(props.asset.id));
  if (error) return <ProblemNotice problem={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading what="the chapters" />;
  return <Editor {...props} opened={data} />;
}

interface Draft extends Chapter {
  key: number;
}

function Editor({ asset, duration, now, onPlay, onPreview, opened }: Props & { opened: Answer<Chapters> }) {
  const [chapters, setChapters] = useState<Draft[]>(() => opened.body.chapters.map((chapter, key) => ({ ...chapter, key })));
  const [saved, setSaved] = useState({ etag: opened.etag, chapters, ever: false });
  const [edited, setEdited] = useState(opened.body.edited);
  const [saving, setSaving] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const list = useRef<HTMLOListElement>(null);
  const unsaved = saved.chapters !== chapters;
  useWarning(unsaved);
  useEffect(() => onPreview(chapters), [chapters, onPreview]);

  const put = (all: Draft[]) => setChapters([...all].sort((a, b) => a.start_s - b.start_s));
  const change = (key: number, to: Partial<Chapter>) => put(chapters.map((one) => (one.key === key ? { ...one, ...to } : one)));
  const here = Math.round(now * 10) / 10;
  const taken = chapters.some((one) => Math.abs(one.start_s - here) < 0.05);
  const nameless = chapters.some((one) => one.title.trim() === '');
  const current = chapterAt(chapters, now);

  const added = useRef<number | null>(null);
  function add() {
    added.current = chapters.reduce((highest, one) => Math.max(highest, one.key), 0) + 1;
    put([...chapters, { key: added.current, start_s: here, title: '' }]);
  }
  useEffect(() => {
    if (added.current === null) return;
    list.current?.querySelector<HTMLInputElement>(`[data-chapter="${added.current}"] .chapter-name`)?.focus();
    added.current = null;
  }, [chapters]);

  async function save() {
    setSaving(true);
    setProblem(null);
    try {
      const { etag } = await saveChapters(asset.id, saved.etag, chapters.map(({ start_s, title }) => ({ start_s, title: title.trim() })));
      setSaved({ etag, chapters, ever: true });
      setEdited(true);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setSaving(false);
    }
  }

  return (
    <section className="chapters-editor" aria-label="Chapters">
      {!edited && chapters.length > 0 && !unsaved && <p className="fine">These chapters came with the file. Save others, and yours count.</p>}
      {chapters.length === 0 && (
        <Empty title="No chapters yet.">
          <p>Play to where a chapter begins, then add one there.</p>
        </Empty>
      )}
      <ol className="chapter-rows" ref={list}>
        {chapters.map((chapter, index) => (
          <li key={chapter.key} data-chapter={chapter.key} className={index === current ? 'current' : ''}>
            <button type="button" className="cue-play" aria-label={`Play from ${timecode(chapter.start_s)}`} title="Play from here" onClick={() => onPlay(chapter.start_s)}>
              <Icon name="play" size={14} />
            </button>
            <TimeField label={`Start of chapter ${index + 1}`} value={chapter.start_s} onChange={(start_s) => change(chapter.key, { start_s })} />
            <input
              className="chapter-name"
              aria-label={`Title of chapter ${index + 1}`}
              placeholder="Title"
              maxLength={200}
              value={chapter.title}
              onChange={(event) => change(chapter.key, { title: event.target.value })}
            />
            <button
              type="button"
              className="button icon-only"
              aria-label={`Remove chapter ${index + 1}`}
              title="Remove"
              onClick={() => put(chapters.filter((one) => one.key !== chapter.key))}
            >
              <Icon name="trash" size={16} />
            </button>
          </li>
        ))}
      </ol>
      <p className="actions">
        <button type="button" className="button" disabled={taken || (duration > 0 && here >= duration)} onClick={add}>
          <Icon name="plus" size={16} /> Chapter at {timecode(now)}
        </button>
      </p>
      {problem && <ProblemNotice problem={problem} />}
      <div className="save-bar">
        <span className="fine" role="status">
          {nameless ? 'Every chapter needs a title.' : unsaved ? 'Not saved yet.' : saved.ever && 'Saved.'}
        </span>
        <button type="button" className="button primary" disabled={saving || !unsaved || nameless} onClick={() => void save()}>
          Save chapters
        </button>
      </div>
    </section>
  );
}
