/**
 * Brings an HLS stream onto a <video>: hls.js where the browser has Media Source Extensions, the browser's own HLS
 * elsewhere (iPhones). Owns the connection between the two and nothing that is seen.
 */
import Hls, { type HlsConfig, type LoadPolicy, type RetryConfig } from 'hls.js';
import { sameVersion, withNewestToken } from './media-token';

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
  /** The address has ended before it was renewed, as after a long sleep; what was asked for is asked for again soon. */
  onExpired?(): void;
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

/** How often a request that was refused is made again while a new address is on its way, and the pauses between (ms). */
const REFUSED = { times: 5, first: 500, longest: 4000 };
/** Several requests are refused at once; one of them asks for a new address (ms). */
const ASK_AGAIN = 3000;

/** As hls.js loads by itself, but a refused request waits for the next token instead of ending the film. */
function patient(policy: LoadPolicy, onExpired: () => void): LoadPolicy {
  const { errorRetry } = policy.default;
  const retry: RetryConfig = {
    ...(errorRetry ?? { maxNumRetry: 0, maxRetryDelayMs: REFUSED.longest }),
    retryDelayMs: Math.min(errorRetry?.retryDelayMs || REFUSED.first, REFUSED.first),
    shouldRetry: (_config, count, _timeout, response, usual) => {
      if (response?.code !== 403) return usual;
      onExpired();
      return count < REFUSED.times;
    },
  };
  return { default: { ...policy.default, errorRetry: retry } };
}

/** The page shows captions itself, from one file: hls.js is not to load and show them a second time. */
const OWN_CAPTIONS = {
  subtitleTrackController: undefined,
  subtitleStreamController: undefined,
  timelineController: undefined,
} as unknown as Partial<HlsConfig>;

/** How much of a film is loaded ahead at most, in seconds: who watches a minute of a lecture need not fetch all of it. */
const AHEAD = 60;

function withHlsJs(video: HTMLVideoElement, url: string, startAt: number, events: EngineEvents): Engine {
  let newest = url;
  let healed = false;
  let askedAt = -Infinity;
  const expired = () => {
    if (performance.now() - askedAt < ASK_AGAIN) return;
    askedAt = performance.now();
    events.onExpired?.();
  };
  const usual = Hls.DefaultConfig;
  const hls = new Hls({
    ...OWN_CAPTIONS,
    startPosition: startAt,
    maxMaxBufferLength: AHEAD,
    fragLoadPolicy: patient(usual.fragLoadPolicy, expired),
    playlistLoadPolicy: patient(usual.playlistLoadPolicy, expired),
    keyLoadPolicy: patient(usual.keyLoadPolicy, expired),
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
    // What was made anew meanwhile is kept, and its token renewed, for a while only; then it goes on with the new version.
    const replaced = error.response?.code === 404 && !sameVersion(url, newest);
    events.onFatal(error.details, error.response?.code === 403 || replaced);
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
