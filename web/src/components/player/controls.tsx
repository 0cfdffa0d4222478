/** The bar of controls under the film. Says what was asked for; the player does it. */
import type { CSSProperties } from 'react';
import type { Chapter } from '../../api/types';
import { timecode } from '../../words';
import { Icon, type IconName } from '../icon';
import { chapterAt } from './chapters';
import type { PlayerAction } from './keys';
import { SeekBar } from './seek-bar';
import type { Storyboard } from './use-storyboard';
import type { VideoState } from './use-video';

interface Props {
  state: VideoState;
  act(action: PlayerAction): void;
  seek(second: number): void;
  setVolume(volume: number): void;
  chapters: Chapter[];
  storyboard: Storyboard;
  hasCaptions: boolean;
  showCaptions: boolean;
  hasPictureInPicture: boolean;
  /** Which menu is open. */
  menu: 'settings' | 'chapters' | null;
  openMenu(menu: 'settings' | 'chapters'): void;
}

export function Controls(props: Props) {
  const { state, act, seek, setVolume, chapters, storyboard, hasCaptions, showCaptions, hasPictureInPicture, menu, openMenu } = props;
  const { now, duration, paused, muted, volume, speed } = state;
  const chapter = chapters[chapterAt(chapters, now)];
  return (
    <div className="controls">
      <SeekBar state={state} chapters={chapters} storyboard={storyboard} seek={seek} />
      <div className="controls-row">
        <ControlButton icon={paused ? 'play' : 'pause'} label={paused ? 'Play' : 'Pause'} keys="k" onClick={() => act({ do: 'toggle' })} />
        <span className="time">
          {timecode(now)} <span className="time-total">/ {timecode(duration)}</span>
        </span>
        {chapters.length > 0 && (
          <button type="button" className="chapter-now" aria-haspopup="dialog" aria-expanded={menu === 'chapters'} title="Chapters" onClick={() => openMenu('chapters')}>
            <Icon name="list" size={18} />
            <span className="visually-hidden">Chapters; now: </span>
            <span className="chapter-now-title">{chapter?.title ?? 'Chapters'}</span>
          </button>
        )}
        <span className="stretch" />
        <ControlButton icon={muted ? 'mute' : 'sound'} label={muted ? 'Sound on' : 'Sound off'} keys="m" className="roomy-only" onClick={() => act({ do: 'mute' })} />
        <input
          type="range"
          className="volume"
          aria-label="Volume"
          min={0}
          max={1}
          step={0.05}
          value={muted ? 0 : volume}
          onChange={(event) => setVolume(Number(event.target.value))}
          style={{ '--played': `${(muted ? 0 : volume) * 100}%` } as CSSProperties}
        />
        {hasCaptions && <ControlButton icon="captions" label="Captions" keys="c" pressed={showCaptions} onClick={() => act({ do: 'captions' })} />}
        <button
          type="button"
          className="control settings-button"
          aria-label="Settings"
          aria-haspopup="dialog"
          aria-expanded={menu === 'settings'}
          title="Settings"
          onClick={() => openMenu('settings')}
        >
          <Icon name="settings" size={22} />
          {speed !== 1 && <span className="speed-now">{speed}×</span>}
        </button>
        {hasPictureInPicture && (
          <ControlButton icon="pip" label="Picture in picture" keys="i" className="wide-only" onClick={() => act({ do: 'pip' })} />
        )}
        <ControlButton icon="fullscreen" label="Full screen" keys="f" onClick={() => act({ do: 'fullscreen' })} />
      </div>
    </div>
  );
}

interface ControlButtonProps {
  icon: IconName;
  label: string;
  keys?: string;
  pressed?: boolean;
  className?: string;
  onClick(): void;
}

function ControlButton({ icon, label, keys, pressed, className = '', onClick }: ControlButtonProps) {
  return (
    <button
      type="button"
      className={`control ${className}`}
      aria-label={label}
      aria-pressed={pressed}
      title={keys ? `${label} (${keys})` : label}
      onClick={onClick}
    >
      <Icon name={icon} size={22} />
    </button>
  );
}
