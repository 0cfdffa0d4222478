/** One cue: its times, its words, and, while somebody works on it, what can be done with it. */
import { type KeyboardEvent, memo, useEffect, useRef } from 'react';
import { timecode } from '../../words';
import { Icon, type IconName } from '../icon';
import type { EditCue, Fault, Step } from './cues';
import { TimeField } from './time-field';

interface Props {
  cue: EditCue;
  faults: Fault[] | undefined;
  /** Somebody works on it. */
  active: boolean;
  /** The film is at it. */
  current: boolean;
  last: boolean;
  withSpeaker: boolean;
  onStep(step: Step): void;
  onActive(key: number): void;
  onPlay(second: number): void;
  /** The second at which the film is. */
  playhead(): number;
}

export const CueRow = memo(function CueRow({ cue, faults, active, current, last, withSpeaker, onStep, onActive, onPlay, playhead }: Props) {
  const words = useRef<HTMLTextAreaElement>(null);
  const named = `of the cue at ${timecode(cue.start)}`;
  const caret = () => words.current!.selectionStart;

  useEffect(() => {
    const box = words.current!;
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight + 2}px`;
  }, [cue.text, active]);

  function type(event: KeyboardEvent<HTMLTextAreaElement>) {
    const { key, shiftKey, nativeEvent } = event;
    if (key === 'Enter' && !shiftKey && !nativeEvent.isComposing) {
      event.preventDefault();
      onStep({ do: 'split', key: cue.key, at: caret() });
    }
  }

  return (
    <li
      className={`cue${active ? ' active' : ''}${current ? ' current' : ''}`}
      data-cue={cue.key}
      aria-current={current ? 'true' : undefined}
      onFocus={() => onActive(cue.key)}
    >
      <div className="cue-times">
        <button type="button" className="cue-play" aria-label={`Play from ${timecode(cue.start)}`} title="Play from here" onClick={() => onPlay(cue.start)}>
          <Icon name="play" size={14} />
        </button>
        <TimeField label={`Start ${named}`} value={cue.start} onChange={(to) => onStep({ do: 'start', key: cue.key, to })} />
        <TimeField label={`End ${named}`} value={cue.end} onChange={(to) => onStep({ do: 'end', key: cue.key, to })} />
      </div>
      <div className="cue-words">
        {withSpeaker && (
          <input
            className="cue-speaker"
            aria-label={`Speaker ${named}`}
            placeholder="Speaker"
            value={cue.speaker}
            maxLength={200}
            onChange={(event) => onStep({ do: 'speaker', key: cue.key, to: event.target.value })}
          />
        )}
        <textarea
          ref={words}
          rows={1}
          aria-label={`Words ${named}`}
          aria-describedby={faults ? `faults-${cue.key}` : undefined}
          maxLength={1000}
          value={cue.text}
          onChange={(event) => onStep({ do: 'text', key: cue.key, to: event.target.value.replace(/\s*\n\s*/g, ' ') })}
          onKeyDown={type}
        />
        {faults && (
          <ul className="cue-faults" id={`faults-${cue.key}`}>
            {faults.map((fault) => (
              <li key={fault.words} className={fault.stops ? 'stops' : ''}>
                <Icon name="warning" size={15} /> {fault.words}
              </li>
            ))}
          </ul>
        )}
        {active && (
          <div className="cue-tools" role="group" aria-label={`Changes ${named}`}>
            <Tool icon="left" words="Starts now" onClick={() => onStep({ do: 'start', key: cue.key, to: playhead() })} />
            <Tool icon="right" words="Ends now" onClick={() => onStep({ do: 'end', key: cue.key, to: playhead() })} />
            <Tool icon="split" words="Split" title="Split at the caret (Enter)" onClick={() => onStep({ do: 'split', key: cue.key, at: caret() })} />
            <Tool icon="merge" words="Join next" disabled={last} onClick={() => onStep({ do: 'merge', key: cue.key })} />
            <Tool icon="trash" words="Remove" onClick={() => onStep({ do: 'remove', key: cue.key })} />
          </div>
        )}
      </div>
    </li>
  );
});

function Tool({ icon, words, title, disabled, onClick }: { icon: IconName; words: string; title?: string; disabled?: boolean; onClick(): void }) {
  return (
    // the caret stays where it is, so that a split knows it
    <button type="button" className="cue-tool" title={title} disabled={disabled} onPointerDown={(event) => event.preventDefault()} onClick={onClick}>
      <Icon name={icon} size={15} /> {words}
    </button>
  );
}
