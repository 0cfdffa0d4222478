/** Watch: the film at its second, the transcript and chapters beside it, and the lesson that it belongs to. */
import { useQuery } from '@tanstack/react-query';
import { useCallback, useRef, useState } from 'react';
import { Link, Navigate, useParams, useSearchParams } from 'react-router';
import { assetQuery, playbackQuery } from '../api/assets';
import { isProblem } from '../api/problem';
import type { Asset, Playback } from '../api/types';
import { Icon } from '../components/icon';
import { Breadcrumb, LessonFooter, useLesson } from '../components/lesson-context';
import { usePageTitle } from '../components/page-title';
import { Player, type PlayerHandle } from '../components/player/player';
import { Side } from '../components/player/side';
import { useCaptions } from '../components/player/use-captions';
import { useChosenCaptions } from '../components/player/use-chosen-captions';
import { usePosition } from '../components/player/use-position';
import { ProblemNotice } from '../components/problem-notice';
import { Processing } from '../components/processing';
import { Similar } from '../components/similar';
import { Loading } from '../components/states';
import { parseTimecode } from '../words';
import { NotFoundPage } from './not-found';

export default function WatchPage() {
  const { id = '' } = useParams();
  const { data: asset, error, refetch } = useQuery(assetQuery(id));
  usePageTitle(asset?.title);
  if (isProblem(error) && (error.status === 404 || error.status === 400)) return <NotFoundPage what="recording" />;
  if (error) return <div className="page"><ProblemNotice problem={error} onRetry={() => void refetch()} /></div>;
  if (!asset) return <Loading what="the recording" />;
  if (asset.kind === 'document') return <Navigate to={`/read/${id}`} replace />;
  if (asset.kind === 'captions' && asset.parent_id) return <Navigate to={`/watch/${asset.parent_id}`} replace />;
  if (asset.state !== 'published') return <Processing asset={asset} />;
  return <Watch asset={asset} key={asset.id} />;
}

const NONE: never[] = [];

function Watch({ asset }: { asset: Asset }) {
  const [params] = useSearchParams();
  const startAt = parseTimecode(params.get('t'));
  const { data: playback, error, refetch } = useQuery(playbackQuery(asset.id));
  const captions = useCaptions(playback?.captions ?? NONE);
  const [chosen, choose] = useChosenCaptions(captions.files);
  const player = useRef<PlayerHandle>(null);
  const [now, setNow] = useState(0);
  const keep = usePosition(asset.id);
  const onTime = useCallback((second: number, resting: boolean) => (setNow(second), keep(second, resting)), [keep]);
  const lesson = useLesson(asset);
  const renew = async () => (await refetch({ throwOnError: true })).data!.hls_url;
  const aside = playback !== undefined && (playback.captions.length > 0 || playback.chapters.length > 0);

  return (
    <div className="page wide watch">
      <Breadcrumb course={lesson.course} lesson={lesson.lesson} />
      <div className={`watch-stage${playback && !aside ? ' alone' : ''}`}>
        {error && <ProblemNotice problem={error} onRetry={() => void refetch()} />}
        {!playback && !error && <div className="player placeholder"><Loading what="the film" /></div>}
        {playback && (
          <Player
            ref={player}
            title={asset.title}
            playback={playback}
            chapters={playback.chapters}
            files={captions.files}
            captions={chosen}
            onCaptions={choose}
            startAt={startAt}
            onTime={onTime}
            renew={renew}
          />
        )}
        {aside && (
          <aside className="watch-side" aria-label="Transcript and chapters">
            {captions.loading && <Loading what="the transcript" />}
            {captions.error !== null && <ProblemNotice problem={captions.error} />}
            {(chosen || (playback.chapters.length > 0 && !captions.loading)) && (
              <Side
                files={captions.files}
                chosen={chosen}
                onChoose={choose}
                chapters={playback.chapters}
                now={now}
                total={playback.duration_ms / 1000}
                onPick={(second) => player.current?.playFrom(second)}
              />
            )}
          </aside>
        )}
      </div>
      {playback?.complete === false && (
        <p className="notice" role="status">
          This recording is still being prepared. You can watch it and go anywhere in it; a place that is not ready yet takes a moment.
        </p>
      )}
      <div className="watch-title">
        <h1>{asset.title}</h1>
        {lesson.course?.role_in_course === 'editor' && (
          <Link className="button quiet" to={`/edit/${asset.id}`}>
            <Icon name="pencil" size={16} /> Captions, chapters, picture
          </Link>
        )}
      </div>
      {playback && isImproving(playback) && <p className="fine">You can watch already. Sharper pictures are still being made; they come by themselves.</p>}
      {playback && playback.captions.length === 0 && <p className="fine">This recording has no captions, so there is no transcript.</p>}
      <LessonFooter {...lesson} />
      <Similar asset={asset} />
    </div>
  );
}

/** Better qualities are still being made; a server that makes all of them at once says nothing about it. */
function isImproving(playback: Playback & { improving?: boolean | null }): boolean {
  return playback.improving === true;
}
