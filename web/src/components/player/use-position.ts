/** Remembers on the server where somebody stops, so that they go on there on any device. */
import { useCallback, useEffect, useRef } from 'react';
import { keepPosition } from '../../api/assets';
import { worthTelling } from './position';

/** To be called with every second that is shown, and whether the film rests there. */
export function usePosition(assetId: string): (second: number, resting: boolean) => void {
  const seen = useRef({ second: 0, told: 0, begun: false });

  const tell = useCallback(
    (resting: boolean) => {
      const { second, told, begun } = seen.current;
      if (!begun || !worthTelling(told, second, resting)) return;
      seen.current.told = second;
      keepPosition(assetId, second).catch(() => undefined); // the next report says it again
    },
    [assetId],
  );

  useEffect(() => {
    const stop = new AbortController();
    const leave = () => document.visibilityState === 'hidden' && tell(true);
    document.addEventListener('visibilitychange', leave, { signal: stop.signal });
    window.addEventListener('pagehide', () => tell(true), { signal: stop.signal });
    return () => {
      stop.abort();
      tell(true);
    };
  }, [tell]);

  return useCallback(
    (second, resting) => {
      seen.current.second = second;
      // a film that is opened and not played stays where it was
      seen.current.begun ||= !resting;
      tell(resting);
    },
    [tell],
  );
}
