/** The bar of controls under the film. Says what was asked for; the player does it. */
import type { CSSProperties, RefObject } from 'react';
import { timecode } from '../../words';
import { Icon, type IconName } from '../icon';
import type { Quality } from './hls-engine';
import { type PlayerAction, SPEEDS } from './keys';
import type { VideoState } from './use-video';

interface Props {
  state: VideoState;
  act(action: PlayerAction): void;
  seek(second: number): void;
  setVolume(volume: number): void;
  setSpeed(speed: number): void;
  qualities: Quality[];
  /** The chosen level; -1 is automatic. */
  quality: number;
  /** The level on the screen. */
  playing: number;
  setQuality(level: number): void;
  hasCaptions: boolean;
  showCaptions: boolean;
  video: RefObject<HTMLVideoElement | null>;
}

export function Controls({ state, act, seek, setVolume, setSpeed, qualities, quality, playing, setQuality, hasCaptions, showCaptions, video }: Props) {
  const { now, duration, loadedTo, paused, muted, volume, speed } = state;
  const part = (seconds: number) => `${duration > 0 ? (seconds / duration) * 100 : 0}%`;
  const current = qualities.find((q) => q.level === playing)?.label;
  return (
    <div className="controls">
      <input
        type="range"
        className="seek"
        aria-label="Position"
        aria-valuetext={`${timecode(now)} of ${timecode(duration)}`}
        min={0}
        max={duration || 1}
        step={0.1}
        value={Math.min(now, duration || 1)}
        onChange={(event) => seek(Number(event.target.value))}
        style={{ '--played': part(now), '--loaded': part(Math.max(loadedTo, now)) } as CSSProperties}
      />
      <div className="controls-row">
        <ControlButton icon={paused ? 'play' : 'pause'} label={paused ? 'Play' : 'Pause'} keys="k" onClick={() => act({ do: 'toggle' })} />
        <span className="time">
          {timecode(now)} <span className="time-total">/ {timecode(duration)}</span>
        </span>
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
        <select aria-label="Speed" title="Speed (< >)" value={speed} onChange={(event) => setSpeed(Number(event.target.value))}>
          {[...new Set([...SPEEDS, speed])]
            .sort((a, b) => a - b)
            .map((s) => (
              <option key={s} value={s}>
                {s} ×
              </option>
            ))}
        </select>
        {qualities.length > 1 && (
          <select aria-label="Quality" title="Quality" value={quality} onChange={(event) => setQuality(Number(event.target.value))}>
            <option value={-1}>{current && quality === -1 ? `Auto · ${current}` : 'Auto'}</option>
            {qualities.map((q) => (
              <option key={q.level} value={q.level}>
                {q.label}
              </option>
            ))}
          </select>
        )}
        {hasCaptions && <ControlButton icon="captions" label="Captions" keys="c" pressed={showCaptions} onClick={() => act({ do: 'captions' })} />}
        <ControlButton icon="keyboard" label="Keys" keys="?" className="wide-only" onClick={() => act({ do: 'help' })} />
        {document.pictureInPictureEnabled && (
          <ControlButton
            icon="pip"
            label="Picture in picture"
            className="wide-only"
            onClick={() => {
              const done = document.pictureInPictureElement ? document.exitPictureInPicture() : video.current!.requestPictureInPicture();
              done.catch(() => undefined); // refused by the browser: nothing changes
            }}
          />
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
