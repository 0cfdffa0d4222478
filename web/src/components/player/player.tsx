/**
 * The player: a <video> with our own controls and keys. What plays it is hls-engine.ts, what a key means is keys.ts;
 * the transcript beside it belongs to the page.
 */
import { type PointerEvent, type Ref, useEffect, useImperativeHandle, useRef, useState } from 'react';
import type { Chapter, Playback } from '../../api/types';
import { preferences } from '../../preferences';
import { timecode } from '../../words';
import { Icon } from '../icon';
import { CaptionLines, useCaptionLines } from './caption-line';
import { ChapterList } from './chapter-list';
import { Controls } from './controls';
import { type Engine, openStream, type Quality } from './hls-engine';
import { KeyHelp } from './key-help';
import { actionFor, belongsToControl, type PlayerAction, stepSpeed } from './keys';
import { Menu } from './menu';
import { Settings, useCaptionStyle } from './settings';
import type { CaptionFile } from './use-captions';
import { useStoryboard } from './use-storyboard';
import { useVideo } from './use-video';

export interface PlayerHandle {
  /** Goes to a second and plays from there. */
  playFrom(second: number): void;
}

interface Props {
  ref: Ref<PlayerHandle>;
  title: string;
  playback: Playback;
  chapters: Chapter[];
  /** All there are; the settings offer them. */
  files: CaptionFile[];
  /** The one that is shown while captions are. */
  captions: CaptionFile | null;
  onCaptions(file: CaptionFile): void;
  /** Captions are on from the beginning, whatever was chosen before. */
  captionsOn?: boolean;
  /** Second to open at, and to play from; null opens where somebody stopped, or at the beginning, and waits. */
  startAt: number | null;
  onTime(second: number, resting: boolean): void;
  /** Asks for a newly signed address of the stream. */
  renew(): Promise<string>;
}

/** Controls go away after this long without a pointer or key, while it plays. */
const IDLE_MS = 2500;
/** How far into the film one is told that it went on where one stopped. Seconds. */
const TOLD = 6;

export function Player({ ref, title, playback, chapters, files, captions, onCaptions, captionsOn, startAt, onTime, renew }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const engine = useRef<Engine>(null);
  const state = useVideo(video);
  const [engineName, setEngineName] = useState<Engine['name']>();
  const [qualities, setQualities] = useState<Quality[]>([]);
  const [playing, setPlaying] = useState(-1);
  const [quality, setQuality] = useState(-1);
  const [fatal, setFatal] = useState<string | null>(null);
  const [showCaptions, setShowCaptions] = useState(captionsOn ?? preferences.captions.read());
  const [style, setStyle] = useCaptionStyle();
  const [menu, setMenu] = useState<'settings' | 'chapters' | null>(null);
  const [help, setHelp] = useState(false);
  const [keysOn, setKeysOn] = useState(preferences.playerKeys.read());
  const [attempt, setAttempt] = useState(0);
  const silent = playback.kind === 'audio';
  const { idle, wake } = useIdle(!state.paused && !silent); // without a picture, the controls are all there is
  const { track, lines } = useCaptionLines(video, captions, showCaptions);
  const storyboard = useStoryboard(playback);
  const [resumed, setResumed] = useState(startAt === null ? (playback.resume_s ?? null) : null);
  // where and how to open it, at first and after it broke
  const opening = useRef({ url: playback.hls_url, at: startAt ?? resumed ?? 0, play: false, revived: false });
  const hasPictureInPicture = !silent && document.pictureInPictureEnabled;

  // the stream is opened once; a newly signed address of it only renews the token
  useEffect(() => {
    const element = video.current!;
    setFatal(null);
    const opened = openStream(element, opening.current.url, opening.current.at, {
      onQualities: setQualities,
      onLevel: setPlaying,
      onFatal: (reason, expired) => {
        const { revived } = opening.current;
        Object.assign(opening.current, { at: element.currentTime, play: !element.paused, revived: true });
        if (expired && !revived) void reopen();
        else setFatal(reason);
      },
      onExpired: () => void renew().catch(() => undefined),
    });
    engine.current = opened;
    setEngineName(opened.name);
    if (opening.current.play) element.play().catch(() => undefined);
    return () => opened.close();
  }, [attempt]);
  useEffect(() => engine.current?.renew(playback.hls_url), [playback.hls_url]);

  /** After a long sleep the address has ended; the film goes on where it was, with a new one. */
  async function reopen() {
    opening.current.url = await renew().catch(() => opening.current.url);
    setAttempt((n) => n + 1);
  }

  useEffect(() => {
    onTime(state.now, state.paused);
    if (!state.waiting) opening.current.revived = false;
  }, [state.now, state.paused, state.waiting, onTime]);

  const away = resumed !== null && !state.waiting && (state.now < resumed - 1 || state.now > resumed + TOLD);
  useEffect(() => {
    if (away) setResumed(null);
  }, [away]);

  const seek = (second: number) => (video.current!.currentTime = second);
  const playFrom = (second: number) => {
    seek(second);
    // a browser may forbid sound before a click; then the film waits at its second
    video.current!.play().catch(() => undefined);
  };
  useImperativeHandle(ref, () => ({ playFrom }), []);

  useEffect(() => {
    if (startAt !== null) playFrom(startAt);
  }, [startAt]);

  function setCaptionsShown(shown: boolean) {
    preferences.captions.write(shown);
    setShowCaptions(shown);
  }

  function act(action: PlayerAction) {
    const element = video.current!;
    const end = state.duration || Infinity;
    if (action.do === 'toggle') element.paused ? element.play().catch(() => undefined) : element.pause();
    if (action.do === 'skip') element.currentTime = Math.min(Math.max(0, element.currentTime + action.seconds), end);
    if (action.do === 'jump' && state.duration > 0) element.currentTime = (state.duration * action.tenths) / 10;
    if (action.do === 'louder') element.volume = Math.min(1, Math.max(0, element.volume + action.by));
    if (action.do === 'mute') element.muted = !element.muted;
    if (action.do === 'slower') element.playbackRate = stepSpeed(element.playbackRate, -1);
    if (action.do === 'faster') element.playbackRate = stepSpeed(element.playbackRate, 1);
    if (action.do === 'help') setHelp(true);
    if (action.do === 'captions') setCaptionsShown(!showCaptions);
    if (action.do === 'pip' && hasPictureInPicture) togglePictureInPicture(element);
    if (action.do === 'fullscreen') toggleFullscreen(frame.current!, element);
    wake();
  }

  const onKey = useRef<(event: KeyboardEvent) => void>(() => undefined);
  onKey.current = (event) => {
    const busy = help || menu !== null || !keysOn;
    if (event.defaultPrevented || busy || belongsToControl(event.key, event.target as HTMLElement)) return;
    const action = actionFor(event);
    if (!action) return;
    event.preventDefault();
    act(action);
  };
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey.current(event);
    document.addEventListener('keydown', listener);
    return () => document.removeEventListener('keydown', listener);
  }, []);

  return (
    <div
      className={`player${silent ? ' audio' : ''}${idle && !fatal ? ' idle' : ''}`}
      ref={frame}
      role="region"
      aria-label={`Player: ${title}`}
      data-engine={engineName}
      data-state={fatal ? 'fatal' : state.paused ? 'paused' : state.waiting ? 'waiting' : 'playing'}
      onPointerMove={wake}
      onFocus={wake}
    >
      <video
        ref={video}
        playsInline
        preload="auto"
        poster={playback.poster_url ?? undefined}
        onPointerUp={(event: PointerEvent) => {
          // a finger shows the controls first, a mouse plays and pauses
          if (event.pointerType === 'mouse' && event.button === 0) act({ do: 'toggle' });
        }}
        onDoubleClick={() => act({ do: 'fullscreen' })}
      >
        {track}
      </video>
      <CaptionLines lines={lines} style={style} />
      {!fatal && state.waiting && !state.paused && <span className="player-waiting" role="status" aria-label="Loading the film" />}
      {!fatal && state.paused && (
        <button type="button" className="player-big" aria-label="Play" tabIndex={-1} onClick={() => act({ do: 'toggle' })}>
          <Icon name="play" size={40} />
        </button>
      )}
      {!fatal && resumed !== null && (
        <p className="player-resumed">
          <span>Where you stopped, {timecode(resumed)}</span>
          <button type="button" className="text-control" onClick={() => playFrom(0)}>
            From the beginning
          </button>
        </p>
      )}
      {fatal && (
        <div className="player-fatal" role="alert">
          <p>This {silent ? 'recording' : 'film'} stopped and cannot go on.</p>
          <p className="fine">
            <code>{fatal}</code>
          </p>
          <button type="button" className="button" onClick={() => void reopen()}>
            <Icon name="retry" /> Try again
          </button>
        </div>
      )}
      <Controls
        state={state}
        act={act}
        seek={seek}
        setVolume={(volume) => {
          video.current!.muted = false;
          video.current!.volume = volume;
        }}
        chapters={chapters}
        storyboard={storyboard}
        hasCaptions={captions !== null}
        showCaptions={showCaptions}
        hasPictureInPicture={hasPictureInPicture}
        menu={menu}
        openMenu={setMenu}
      />
      <Menu title="Settings" open={menu === 'settings'} onClose={() => setMenu(null)} frame={frame}>
        <Settings
          speed={state.speed}
          setSpeed={(speed) => (video.current!.playbackRate = speed)}
          qualities={qualities}
          quality={quality}
          playing={playing}
          setQuality={(level) => {
            setQuality(level);
            engine.current?.setQuality(level);
          }}
          files={files}
          shown={showCaptions ? captions : null}
          setCaptions={(file) => {
            setCaptionsShown(file !== null);
            if (file) onCaptions(file);
          }}
          style={style}
          setStyle={setStyle}
          onPictureInPicture={hasPictureInPicture ? () => (setMenu(null), act({ do: 'pip' })) : null}
          onKeys={() => (setMenu(null), setHelp(true))}
        />
      </Menu>
      <Menu title="Chapters" open={menu === 'chapters'} onClose={() => setMenu(null)} frame={frame}>
        <ChapterList chapters={chapters} now={state.now} total={state.duration} onPick={(second) => (setMenu(null), playFrom(second))} />
      </Menu>
      <KeyHelp
        open={help}
        onClose={() => setHelp(false)}
        on={keysOn}
        setOn={(on) => {
          preferences.playerKeys.write(on);
          setKeysOn(on);
        }}
      />
    </div>
  );
}

function useIdle(playing: boolean) {
  const [idle, setIdle] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const wake = () => {
    setIdle(false);
    clearTimeout(timer.current);
    if (playing) timer.current = setTimeout(() => setIdle(true), IDLE_MS);
  };
  useEffect(() => {
    wake();
    return () => clearTimeout(timer.current);
  }, [playing]);
  return { idle: idle && playing, wake };
}

function toggleFullscreen(frame: HTMLElement, video: HTMLVideoElement & { webkitEnterFullscreen?: () => void }) {
  if (document.fullscreenElement) void document.exitFullscreen();
  else if (frame.requestFullscreen) frame.requestFullscreen().catch(() => undefined);
  else video.webkitEnterFullscreen?.(); // iPhones show only the film itself
}

function togglePictureInPicture(video: HTMLVideoElement) {
  const done = document.pictureInPictureElement ? document.exitPictureInPicture() : video.requestPictureInPicture();
  done.catch(() => undefined); // refused by the browser: nothing changes
}
