/** How the film is shown: speed, quality, captions and what they look like. */
import { useState } from 'react';
import { type CaptionLook, type CaptionSize, CAPTION_LOOKS, CAPTION_SIZES, preferences } from '../../preferences';
import { Icon } from '../icon';
import type { Quality } from './hls-engine';
import { SPEEDS } from './keys';
import type { CaptionFile } from './use-captions';

export interface CaptionStyle {
  size: CaptionSize;
  look: CaptionLook;
}

/** As this browser remembers it. */
export function useCaptionStyle() {
  const [style, setStyle] = useState<CaptionStyle>({ size: preferences.captionSize.read(), look: preferences.captionLook.read() });
  function choose(to: CaptionStyle) {
    preferences.captionSize.write(to.size);
    preferences.captionLook.write(to.look);
    setStyle(to);
  }
  return [style, choose] as const;
}

interface Props {
  speed: number;
  setSpeed(speed: number): void;
  qualities: Quality[];
  /** The chosen level; -1 is automatic. */
  quality: number;
  /** The level on the screen. */
  playing: number;
  setQuality(level: number): void;
  files: CaptionFile[];
  /** The one that is shown, if captions are. */
  shown: CaptionFile | null;
  setCaptions(file: CaptionFile | null): void;
  style: CaptionStyle;
  setStyle(style: CaptionStyle): void;
  onPictureInPicture: (() => void) | null;
  onKeys(): void;
}

const SIZE_WORD: Record<CaptionSize, string> = { small: 'Small', medium: 'Medium', large: 'Large', huge: 'Very large' };
const LOOK_WORD: Record<CaptionLook, string> = { box: 'On black', glass: 'On a shade', outline: 'Outlined' };

export function Settings(props: Props) {
  const { speed, setSpeed, qualities, quality, playing, setQuality, files, shown, setCaptions, style, setStyle } = props;
  const current = qualities.find((q) => q.level === playing)?.label;
  return (
    <div className="settings">
      <label>
        <span>Speed</span>
        <select value={speed} onChange={(event) => setSpeed(Number(event.target.value))}>
          {[...new Set([...SPEEDS, speed])]
            .sort((a, b) => a - b)
            .map((s) => (
              <option key={s} value={s}>
                {s === 1 ? 'Normal' : `${s} ×`}
              </option>
            ))}
        </select>
      </label>
      {qualities.length > 1 && (
        <label>
          <span>Quality</span>
          <select value={quality} onChange={(event) => setQuality(Number(event.target.value))}>
            <option value={-1}>{current && quality === -1 ? `Auto · ${current}` : 'Auto'}</option>
            {qualities.map((q) => (
              <option key={q.level} value={q.level}>
                {q.label}
              </option>
            ))}
          </select>
        </label>
      )}
      {files.length > 0 && (
        <>
          <label>
            <span>Captions</span>
            <select value={shown?.id ?? ''} onChange={(event) => setCaptions(files.find((file) => file.id === event.target.value) ?? null)}>
              <option value="">Off</option>
              {files.map((file) => (
                <option key={file.id} value={file.id}>
                  {file.auto ? `${file.label} (automatic)` : file.label}
                </option>
              ))}
            </select>
          </label>
          <label>
            <span>Caption size</span>
            <select value={style.size} onChange={(event) => setStyle({ ...style, size: event.target.value as CaptionSize })}>
              {CAPTION_SIZES.map((size) => (
                <option key={size} value={size}>
                  {SIZE_WORD[size]}
                </option>
              ))}
            </select>
          </label>
          <label>
            <span>Caption look</span>
            <select value={style.look} onChange={(event) => setStyle({ ...style, look: event.target.value as CaptionLook })}>
              {CAPTION_LOOKS.map((look) => (
                <option key={look} value={look}>
                  {LOOK_WORD[look]}
                </option>
              ))}
            </select>
          </label>
        </>
      )}
      <div className="settings-more">
        {props.onPictureInPicture && (
          <button type="button" className="text-control" onClick={props.onPictureInPicture}>
            <Icon name="pip" size={18} /> Picture in picture
          </button>
        )}
        <button type="button" className="text-control" onClick={props.onKeys}>
          <Icon name="keyboard" size={18} /> Keys
        </button>
      </div>
    </div>
  );
}
