/** Watch: the film at its second, the transcript beside it, and the lesson that it belongs to. */
import { useQuery } from '@tanstack/react-query';
import { useCallback, useRef, useState } from 'react';
import { Navigate, useParams, useSearchParams } from 'react-router';
import { assetQuery, playbackQuery } from '../api/assets';
import { isProblem } from '../api/problem';
import type { Asset } from '../api/types';
import { Breadcrumb, LessonFooter, useLesson } from '../components/lesson-context';
import { usePageTitle } from '../components/page-title';
import { Player, type PlayerHandle } from '../components/player/player';
import { Transcript } from '../components/player/transcript';
import { type CaptionFile, useCaptions } from '../components/player/use-captions';
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
  const [chosenId, setChosenId] = useState<string | null>(null);
  const chosen = captions.files.find((file) => file.id === chosenId) ?? ownLanguage(captions.files) ?? null;
  const player = useRef<PlayerHandle>(null);
  const [now, setNow] = useState(0);
  const onTime = useCallback((second: number) => setNow(second), []);
  const lesson = useLesson(asset);
  const renew = async () => (await refetch({ throwOnError: true })).data!.hls_url;

  return (
    <div className="page wide watch">
      <Breadcrumb course={lesson.course} lesson={lesson.lesson} />
      <div className={`watch-stage${playback && playback.captions.length === 0 ? ' alone' : ''}`}>
        {error && <ProblemNotice problem={error} onRetry={() => void refetch()} />}
        {!playback && !error && <div className="player placeholder"><Loading what="the film" /></div>}
        {playback && (
          <Player ref={player} title={asset.title} playback={playback} captions={chosen} startAt={startAt} onTime={onTime} renew={renew} />
        )}
        {playback && playback.captions.length > 0 && (
          <aside className="watch-side">
            {captions.loading && <Loading what="the transcript" />}
            {captions.error !== null && <ProblemNotice problem={captions.error} />}
            {chosen && (
              <Transcript
                files={captions.files}
                chosen={chosen}
                onChoose={(file) => setChosenId(file.id)}
                now={now}
                onPick={(second) => player.current?.playFrom(second)}
              />
            )}
          </aside>
        )}
      </div>
      <h1>{asset.title}</h1>
      {playback && playback.captions.length === 0 && <p className="fine">This recording has no captions, so there is no transcript.</p>}
      <LessonFooter {...lesson} />
      <Similar asset={asset} />
    </div>
  );
}

function ownLanguage(files: CaptionFile[]): CaptionFile | undefined {
  const own = navigator.language.slice(0, 2);
  return files.find((file) => file.language?.startsWith(own)) ?? files[0];
}
