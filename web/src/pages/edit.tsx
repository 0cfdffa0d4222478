/** What an instructor makes of a recording: captions, chapters, its picture and its versions, beside the film itself. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useRef, useState } from 'react';
import { Link, Navigate, useParams, useSearchParams } from 'react-router';
import { assetQuery, playbackQuery } from '../api/assets';
import { isProblem } from '../api/problem';
import type { Asset, Chapter } from '../api/types';
import { Icon } from '../components/icon';
import { Breadcrumb, useLesson } from '../components/lesson-context';
import { allAssets } from '../components/live-assets';
import { usePageTitle } from '../components/page-title';
import { Player, type PlayerHandle } from '../components/player/player';
import type { CaptionFile } from '../components/player/use-captions';
import { ProblemNotice } from '../components/problem-notice';
import { Processing } from '../components/processing';
import { CaptionsEditor, NewCaptions } from '../components/recording/captions-editor';
import { ChaptersEditor } from '../components/recording/chapters-editor';
import { PosterChooser } from '../components/recording/poster-chooser';
import { Versions } from '../components/recording/versions';
import { Empty, Loading } from '../components/states';
import { ForbiddenPage } from './forbidden';
import { NotFoundPage } from './not-found';

export default function EditPage() {
  const { id = '' } = useParams();
  const { data: asset, error, refetch } = useQuery(assetQuery(id));
  usePageTitle(asset && `Edit ${asset.title}`);
  if (isProblem(error) && (error.status === 404 || error.status === 400)) return <NotFoundPage what="recording" />;
  if (error) return <div className="page"><ProblemNotice problem={error} onRetry={() => void refetch()} /></div>;
  if (!asset) return <Loading what="the recording" />;
  if (asset.kind === 'captions' && asset.parent_id) return <Navigate to={`/edit/${asset.parent_id}?captions=${asset.id}`} replace />;
  if (asset.kind !== 'video' && asset.kind !== 'audio') return <NotFoundPage what="recording" />;
  if (!asset.stages) return <ForbiddenPage />; // only editors are told of the stages
  if (asset.state !== 'published') return <Processing asset={asset} />;
  return <Edit asset={asset} key={asset.id} />;
}

const PARTS = { captions: 'Captions', chapters: 'Chapters', poster: 'Picture', file: 'File' } as const;
type Part = keyof typeof PARTS;

function Edit({ asset }: { asset: Asset }) {
  const [params, setParams] = useSearchParams();
  const part: Part = (params.get('part') as Part | null) ?? 'captions';
  const { data: playback, error, refetch } = useQuery(playbackQuery(asset.id));
  const { course, lesson } = useLesson(asset);
  // what belongs to a recording is captions, also before anybody has looked
  const files = (course ? allAssets(course) : []).filter((a) => a.parent_id === asset.id && a.state !== 'failed');
  const chosen = files.find((file) => file.id === params.get('captions')) ?? files[0];
  const player = useRef<PlayerHandle>(null);
  const [now, setNow] = useState(0);
  const onTime = useCallback((second: number) => setNow(second), []);
  const onPlay = useCallback((second: number) => player.current?.playFrom(second), []);
  const [draft, setDraft] = useState<CaptionFile | null>(null);
  const [chapters, setChapters] = useState<Chapter[] | null>(null);
  const [beginning, setBeginning] = useState(false);
  const queries = useQueryClient();
  const duration = (playback?.duration_ms ?? 0) / 1000;
  const parts = (Object.keys(PARTS) as Part[]).filter((one) => one !== 'poster' || asset.kind === 'video');
  const go = (to: Record<string, string>) => setParams({ ...Object.fromEntries(params), ...to }, { replace: true });

  /** The new captions are an upload like any other; the course knows them at once. */
  async function made(id: string) {
    await queries.invalidateQueries({ queryKey: ['course', asset.course_id] });
    go({ captions: id });
    setBeginning(false);
  }

  return (
    <div className="page wide edit">
      <Breadcrumb course={course} lesson={lesson} />
      <div className="watch-title">
        <h1>{asset.title}</h1>
        <Link className="button quiet" to={`/watch/${asset.id}`}>
          <Icon name="play" size={16} /> As learners see it
        </Link>
      </div>
      <div className="edit-stage">
        <div className="edit-film">
          {error && <ProblemNotice problem={error} onRetry={() => void refetch()} />}
          {!playback && !error && <div className="player placeholder"><Loading what="the film" /></div>}
          {playback && (
            <Player
              ref={player}
              title={asset.title}
              playback={{ ...playback, resume_s: null }}
              chapters={chapters ?? playback.chapters}
              files={draft ? [draft] : []}
              captions={draft}
              onCaptions={() => undefined}
              captionsOn
              startAt={null}
              onTime={onTime}
              renew={async () => (await refetch({ throwOnError: true })).data!.hls_url}
            />
          )}
        </div>
        <div className="edit-side">
          <nav className="edit-parts" aria-label="What to edit">
            {parts.map((one) => (
              <button key={one} type="button" aria-current={one === part ? 'page' : undefined} onClick={() => go({ part: one })}>
                {PARTS[one]}
              </button>
            ))}
          </nav>
          {/* what is not shown stays, with all that was typed */}
          <div hidden={part !== 'captions'}>
            <CaptionFiles files={files} chosen={chosen} onChoose={(id) => go({ captions: id })} />
            {course && !chosen && !beginning && (
              <Empty title="No captions yet.">
                <p>Upload a WebVTT or SRT file on the page of the course, or begin some here.</p>
                <button type="button" className="button" onClick={() => setBeginning(true)}>
                  <Icon name="plus" size={16} /> Begin captions
                </button>
              </Empty>
            )}
            {!chosen && beginning && (
              <NewCaptions recording={asset} duration={duration} now={now} onPlay={onPlay} onPreview={setDraft} onMade={made} />
            )}
            {chosen && playback && (
              <CaptionsEditor key={chosen.id} asset={chosen} duration={duration} now={now} onPlay={onPlay} onPreview={setDraft} />
            )}
          </div>
          <div hidden={part !== 'chapters'}>
            {playback && <ChaptersEditor asset={asset} duration={duration} now={now} onPlay={onPlay} onPreview={setChapters} />}
          </div>
          {part === 'poster' && <PosterChooser asset={asset} />}
          {part === 'file' && <Versions asset={asset} />}
        </div>
      </div>
    </div>
  );
}

interface FilesProps {
  files: Asset[];
  chosen: Asset | undefined;
  onChoose(id: string): void;
}

/** Which of the captions are edited. */
function CaptionFiles({ files, chosen, onChoose }: FilesProps) {
  if (files.length < 2) return null;
  return (
    <label className="caption-files">
      <span>Captions</span>
      <select value={chosen?.id ?? ''} onChange={(event) => onChoose(event.target.value)}>
        {files.map((file) => (
          <option key={file.id} value={file.id}>
            {file.auto ? `${file.title} (automatic)` : file.title}
          </option>
        ))}
      </select>
    </label>
  );
}
