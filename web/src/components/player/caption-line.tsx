/**
 * Captions over the picture. The browser reads and times them in a hidden <track>; the line itself is ours, so that it
 * stands above the controls while they are shown. Only an iPhone's own full screen draws them by itself.
 */
import { type RefObject, useEffect, useRef, useState } from 'react';
import type { CaptionStyle } from './settings';
import type { CaptionFile } from './use-captions';

/** The <track> to put into the <video>, and the lines to show now. */
export function useCaptionLines(video: RefObject<HTMLVideoElement | null>, file: CaptionFile | null, show: boolean) {
  const element = useRef<HTMLTrackElement>(null);
  const [lines, setLines] = useState<string[]>([]);
  const url = useBlobUrl(file);

  useEffect(() => {
    const track = element.current?.track;
    const screen = video.current;
    if (!track || !screen) return;
    track.mode = 'hidden';
    const look = () => setLines([...(track.activeCues ?? [])].map(textOf));
    const stop = new AbortController();
    track.addEventListener('cuechange', look, { signal: stop.signal });
    screen.addEventListener('webkitbeginfullscreen', () => (track.mode = show ? 'showing' : 'hidden'), { signal: stop.signal });
    screen.addEventListener('webkitendfullscreen', () => (track.mode = 'hidden'), { signal: stop.signal });
    return () => stop.abort();
  }, [video, url, show]);

  const track = url && file && <track key={url} ref={element} kind="captions" label={file.label} srcLang={file.language ?? undefined} src={url} />;
  return { track, lines: show ? lines : [] };
}

export function CaptionLines({ lines, style }: { lines: string[]; style: CaptionStyle }) {
  if (lines.length === 0) return null;
  return (
    <div className="caption" data-size={style.size} data-look={style.look}>
      {lines.map((line, i) => (
        <p key={i}>
          <span>{line}</span>
        </p>
      ))}
    </div>
  );
}

function textOf(cue: TextTrackCue): string {
  return cue instanceof VTTCue ? (cue.getCueAsHTML().textContent ?? '') : '';
}

function useBlobUrl(file: CaptionFile | null): string | null {
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => {
    if (!file) return;
    const made = URL.createObjectURL(new Blob([file.text], { type: 'text/vtt' }));
    setUrl(made);
    return () => {
      setUrl(null);
      URL.revokeObjectURL(made);
    };
  }, [file]);
  return url;
}
