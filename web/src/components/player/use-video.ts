/** What a <video> is doing, as React state; and what the viewer chose before, put onto it. */
import { type RefObject, useEffect, useState } from 'react';
import { preferences } from '../../preferences';

export interface VideoState {
  /** Seconds. */
  now: number;
  /** Seconds; 0 while it is not known. */
  duration: number;
  /** End of what is loaded around now, in seconds. */
  loadedTo: number;
  paused: boolean;
  ended: boolean;
  /** It should be playing, but has nothing to show. */
  waiting: boolean;
  muted: boolean;
  volume: number;
  speed: number;
}

const AT_REST: VideoState = {
  now: 0,
  duration: 0,
  loadedTo: 0,
  paused: true,
  ended: false,
  waiting: true,
  muted: false,
  volume: 1,
  speed: 1,
};

const EVENTS = [
  'timeupdate',
  'durationchange',
  'progress',
  'play',
  'pause',
  'ended',
  'waiting',
  'playing',
  'canplay',
  'seeking',
  'seeked',
  'volumechange',
  'ratechange',
] as const;

export function useVideo(ref: RefObject<HTMLVideoElement | null>): VideoState {
  const [state, setState] = useState(AT_REST);
  useEffect(() => {
    const video = ref.current!;
    video.volume = preferences.volume.read();
    video.defaultPlaybackRate = video.playbackRate = preferences.speed.read();
    const look = (event?: Event) => {
      if (event?.type === 'volumechange') preferences.volume.write(video.volume);
      if (event?.type === 'ratechange' && video.readyState > 0) {
        preferences.speed.write(video.playbackRate);
        // A stream that is opened again, after an error, goes back to the default.
        video.defaultPlaybackRate = video.playbackRate;
      }
      setState(read(video));
    };
    look();
    for (const name of EVENTS) video.addEventListener(name, look);
    return () => {
      for (const name of EVENTS) video.removeEventListener(name, look);
    };
  }, [ref]);
  return state;
}

function read(video: HTMLVideoElement): VideoState {
  return {
    now: video.currentTime,
    duration: Number.isFinite(video.duration) ? video.duration : 0,
    loadedTo: loadedTo(video),
    paused: video.paused,
    ended: video.ended,
    waiting: video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !video.ended,
    muted: video.muted || video.volume === 0,
    volume: video.volume,
    speed: video.playbackRate,
  };
}

function loadedTo({ buffered, currentTime }: HTMLVideoElement): number {
  for (let i = 0; i < buffered.length; i++) {
    if (buffered.start(i) <= currentTime + 0.1 && currentTime <= buffered.end(i)) return buffered.end(i);
  }
  return 0;
}
