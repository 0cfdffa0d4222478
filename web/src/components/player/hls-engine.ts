/**
 * Brings an HLS stream onto a <video>: hls.js where the browser has Media Source Extensions, the browser's own HLS
 * elsewhere (iPhones). Owns the connection between the two and nothing that is seen.
 */
import Hls from 'hls.js';
import { withNewestToken } from './media-token';

export interface Quality {
  /** Index for setQuality. */
  level: number;
  /** "720p", or the bit rate where there is no picture. */
  label: string;
}

export interface EngineEvents {
  onQualities(qualities: Quality[]): void;
  /** The level now playing; -1 while it is not known. */
  onLevel(level: number): void;
  /** The stream has stopped for good. `expired`: its address has ended, and a newly signed one may bring it back. */
  onFatal(reason: string, expired: boolean): void;
}

export interface Engine {
  name: 'hls.js' | 'native';
  /** -1 lets the engine choose. */
  setQuality(level: number): void;
  /** A newly signed address of the same stream. */
  renew(url: string): void;
  close(): void;
}

export function openStream(video: HTMLVideoElement, url: string, startAt: number, events: EngineEvents): Engine {
  if (Hls.isSupported()) return withHlsJs(video, url, startAt, events);
  return native(video, url, startAt, events);
}

function withHlsJs(video: HTMLVideoElement, url: string, startAt: number, events: EngineEvents): Engine {
  let newest = url;
  let healed = false;
  const hls = new Hls({
    startPosition: startAt,
    xhrSetup: (request, asked) => {
      const fresh = withNewestToken(asked, newest);
      if (fresh !== asked) request.open('GET', fresh, true);
    },
  });
  hls.on(Hls.Events.MANIFEST_PARSED, () => {
    events.onQualities(
      hls.levels
        .map(({ height, bitrate }, level) => ({ level, label: height > 0 ? `${height}p` : `${Math.round(bitrate / 1000)} kbit/s` }))
        .reverse(),
    );
  });
  hls.on(Hls.Events.LEVEL_SWITCHED, (_, { level }) => events.onLevel(level));
  hls.on(Hls.Events.ERROR, (_, error) => {
    if (!error.fatal) return;
    if (error.type === Hls.ErrorTypes.MEDIA_ERROR && !healed) {
      healed = true; // once: a stream that breaks the decoder twice will do so again
      hls.recoverMediaError();
      return;
    }
    events.onFatal(error.details, error.response?.code === 403);
  });
  hls.loadSource(url);
  hls.attachMedia(video);
  return {
    name: 'hls.js',
    setQuality: (level) => {
      // Who chooses wants to see it: a film of slides may be buffered to its end, and would never get to a next piece.
      if (level >= 0) hls.currentLevel = level;
      else hls.nextLevel = level;
    },
    renew: (next) => {
      newest = next;
    },
    close: () => hls.destroy(),
  };
}

function native(video: HTMLVideoElement, url: string, startAt: number, events: EngineEvents): Engine {
  const seek = () => {
    if (startAt > 0) video.currentTime = startAt;
  };
  // the browser does not say why: a new address is worth one try
  const fail = () => events.onFatal(video.error?.message || 'this browser cannot play the stream', true);
  video.addEventListener('loadedmetadata', seek, { once: true });
  video.addEventListener('error', fail);
  video.src = url;
  return {
    name: 'native',
    setQuality: () => undefined,
    // the browser fetches segments by itself; a new source would interrupt the film, so it waits for an error
    renew: () => undefined,
    close: () => {
      video.removeEventListener('error', fail);
      video.removeAttribute('src');
      video.load();
    },
  };
}
