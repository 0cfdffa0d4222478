/** The captions of a recording, cue by cue, beside the film: words, times, what they are called; saved as a new version. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { captionsQuery, makeCaptions, saveCaptions } from '../../api/editing';
import { asProblem, type Problem } from '../../api/problem';
import type { Answer } from '../../api/client';
import type { Asset, Captions } from '../../api/types';
import { plural } from '../../words';
import { Icon } from '../icon';
import type { CaptionFile } from '../player/use-captions';
import { parseVtt } from '../player/vtt';
import { ProblemNotice } from '../problem-notice';
import { Loading } from '../states';
import { CueRow } from './cue-row';
import { clock, type EditCue, faults, step, toVtt } from './cues';
import { languages } from './languages';
import { useWarning } from './use-warning';

interface Props {
  asset: Asset;
  /** Seconds, of the film. */
  duration: number;
  now: number;
  onPlay(second: number): void;
  /** What the player is to show. */
  onPreview(file: CaptionFile): void;
}

export function CaptionsEditor(props: Props) {
  const { data, error, refetch } = useQuery(captionsQuery(props.asset.id));
  if (error) return <ProblemNotice problem={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading what="the captions" />;
  return <Editor {...props} opened={data} />;
}

/** Captions that begin here: they become an upload with the first saving. */
export function NewCaptions({ onMade, ...props }: Omit<Props, 'asset'> & { recording: Asset; onMade(id: string): void }) {
  const { recording } = props;
  const make = async (label: string, webvtt: string) => onMade((await makeCaptions(recording.course_id, recording.id, label, webvtt)).id);
  return <Editor {...props} asset={recording} opened={NOTHING} make={make} />;
}

const NOTHING: Answer<Captions> = { body: { label: 'Captions', language: null, sdh: false, auto: false, cues: [] }, etag: null };

/** After the last letter, in milliseconds. */
const PREVIEW_MS = 400;

const open = (cues: Captions['cues']): EditCue[] =>
  cues.map((cue, key) => ({ key, start: cue.start_s, end: cue.end_s, text: cue.text, speaker: cue.speaker ?? '' }));

interface EditorProps extends Props {
  opened: Answer<Captions>;
  /** For what is not there yet. */
  make?: (label: string, webvtt: string) => Promise<void>;
}

function Editor({ asset, duration, now, onPlay, onPreview, opened, make }: EditorProps) {
  const queries = useQueryClient();
  const [{ cues, before, after }, onStep] = useReducer(step, opened.body.cues, (cues) => ({ cues: open(cues), before: [], after: [], typing: null }));
  const [facts, setFacts] = useState({ label: opened.body.label, language: opened.body.language ?? null, sdh: opened.body.sdh });
  const [saved, setSaved] = useState({ etag: opened.etag, cues, facts, auto: opened.body.auto, ever: false });
  const [saving, setSaving] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [active, setActive] = useState<number | null>(null);
  const [withSpeakers, setWithSpeakers] = useState(() => cues.some((cue) => cue.speaker !== ''));
  const list = useRef<HTMLOListElement>(null);
  const latest = useRef(now);
  latest.current = now;
  const playhead = useCallback(() => latest.current, []);

  const wrong = useMemo(() => faults(cues, duration), [cues, duration]);
  const stopped = [...wrong.values()].filter((all) => all.some((fault) => fault.stops)).length;
  const unsaved = saved.cues !== cues || saved.facts !== facts;
  useWarning(unsaved);

  // the film shows what is written, but does not flicker with every letter
  const fresh = useRef(true);
  useEffect(() => {
    const show = () => {
      const text = toVtt(cues);
      onPreview({ id: 'draft', language: facts.language, label: facts.label, auto: false, text, cues: parseVtt(text) });
    };
    const timer = setTimeout(show, fresh.current ? 0 : PREVIEW_MS);
    fresh.current = false;
    return () => clearTimeout(timer);
  }, [cues, facts.language, facts.label, onPreview]);

  // a cue that was made by splitting or adding gets the caret
  const count = useRef(cues.length);
  useEffect(() => {
    const more = cues.length > count.current;
    count.current = cues.length;
    if (!more) return;
    const newest = cues.reduce((a, b) => (b.key > a.key ? b : a)).key;
    const words = list.current?.querySelector<HTMLTextAreaElement>(`[data-cue="${newest}"] textarea`);
    words?.focus();
    words?.setSelectionRange(0, 0);
  }, [cues]);

  async function save() {
    setSaving(true);
    setProblem(null);
    const edit = { ...facts, cues: cues.map(({ start, end, text, speaker }) => ({ start_s: start, end_s: end, text, speaker: speaker.trim() || null })) };
    try {
      if (make) {
        await make(facts.label.trim(), toVtt(cues));
      } else {
        const { etag } = await saveCaptions(asset.id, saved.etag, edit);
        setSaved({ etag, cues, facts, auto: false, ever: true });
      }
      void queries.invalidateQueries({ queryKey: ['course', asset.course_id] });
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setSaving(false);
    }
  }

  function toNextFault() {
    const from = cues.findIndex((cue) => cue.key === active);
    const order = [...cues.slice(from + 1), ...cues.slice(0, from + 1)];
    const next = order.find((cue) => wrong.has(cue.key));
    if (next) list.current?.querySelector<HTMLElement>(`[data-cue="${next.key}"] textarea`)?.focus();
  }

  const current = cues.findLast((cue) => cue.start <= now + 0.02 && now < cue.end)?.key ?? null;
  // the list follows the film, as long as nobody works beside it
  useEffect(() => {
    const at = document.activeElement;
    if (current === null || (at?.matches('input, textarea, select, button') && !at.closest('.player'))) return;
    list.current?.querySelector(`[data-cue="${current}"]`)?.scrollIntoView({ block: 'nearest' });
  }, [current]);

  return (
    <section className="captions-editor" aria-label={`Captions: ${facts.label}`}>
      {saved.auto && (
        <p className="notice">These captions were made by a machine. Learners are told so until you have read and saved them.</p>
      )}
      <div className="caption-facts">
        <label className="caption-label">
          <span>Name in the menu</span>
          <input value={facts.label} maxLength={200} required onChange={(event) => setFacts({ ...facts, label: event.target.value })} />
        </label>
        {!make && <label>
          <span>Language</span>
          <select value={facts.language ?? ''} onChange={(event) => setFacts({ ...facts, language: event.target.value || null })}>
            <option value="">Tell it from the words</option>
            {languages(facts.language).map(({ code, name }) => (
              <option key={code} value={code}>
                {name}
              </option>
            ))}
          </select>
        </label>}
        {!make && <label className="check">
          <input type="checkbox" checked={facts.sdh} onChange={(event) => setFacts({ ...facts, sdh: event.target.checked })} />
          <span>
            Tells sounds, too <span className="fine">for deaf and hard-of-hearing viewers (SDH)</span>
          </span>
        </label>}
        <label className="check">
          <input type="checkbox" checked={withSpeakers} onChange={(event) => setWithSpeakers(event.target.checked)} />
          <span>Names of speakers</span>
        </label>
      </div>
      <div className="cue-bar">
        <button type="button" className="button quiet" onClick={() => onStep({ do: 'add', at: playhead() })}>
          <Icon name="plus" size={16} /> Cue at {clock(now).replace(/\.\d+$/, '')}
        </button>
        <button type="button" className="button icon-only" aria-label="Undo" title="Undo" disabled={before.length === 0} onClick={() => onStep({ do: 'undo' })}>
          <Icon name="undo" size={18} />
        </button>
        <button type="button" className="button icon-only" aria-label="Redo" title="Redo" disabled={after.length === 0} onClick={() => onStep({ do: 'redo' })}>
          <Icon name="redo" size={18} />
        </button>
        <span className="stretch" />
        {wrong.size > 0 ? (
          <button type="button" className="button quiet cue-problems" onClick={toNextFault}>
            <Icon name="warning" size={16} /> {plural(wrong.size, 'cue')} to look at
          </button>
        ) : (
          <span className="fine">{plural(cues.length, 'cue')}, nothing to mend</span>
        )}
      </div>
      <ol className="cues" ref={list}>
        {cues.map((cue, index) => (
          <CueRow
            key={cue.key}
            cue={cue}
            faults={wrong.get(cue.key)}
            active={cue.key === active}
            current={cue.key === current}
            last={index === cues.length - 1}
            withSpeaker={withSpeakers}
            onStep={onStep}
            onActive={setActive}
            onPlay={onPlay}
            playhead={playhead}
          />
        ))}
      </ol>
      {problem && <ProblemNotice problem={problem} />}
      <div className="save-bar">
        <span className="fine" role="status">
          {stopped > 0
            ? `${plural(stopped, 'cue')} must be mended before this can be saved.`
            : unsaved
              ? 'Not saved yet.'
              : saved.ever && 'Saved. The player and search have it in a moment.'}
        </span>
        <button type="button" className="button primary" disabled={saving || !unsaved || stopped > 0 || cues.length === 0 || facts.label.trim() === ''} onClick={() => void save()}>
          Save captions
        </button>
      </div>
    </section>
  );
}
