/** Read: a PDF at its page, any other document at its passage. */
import { useQuery } from '@tanstack/react-query';
import { Navigate, useLocation, useParams, useSearchParams } from 'react-router';
import { assetQuery, sourceQuery } from '../api/assets';
import { isProblem } from '../api/problem';
import type { Asset } from '../api/types';
import { queryOf } from '../components/hit';
import { Icon } from '../components/icon';
import { Breadcrumb, LessonFooter, useLesson } from '../components/lesson-context';
import { usePageTitle } from '../components/page-title';
import { ProblemNotice } from '../components/problem-notice';
import { Processing } from '../components/processing';
import { PdfView } from '../components/reader/pdf-view';
import { TextView } from '../components/reader/text-view';
import { Similar } from '../components/similar';
import { Loading } from '../components/states';
import { NotFoundPage } from './not-found';

export default function ReadPage() {
  const { id = '' } = useParams();
  const { data: asset, error, refetch } = useQuery(assetQuery(id));
  usePageTitle(asset?.title);
  if (isProblem(error) && (error.status === 404 || error.status === 400)) return <NotFoundPage what="document" />;
  if (error) return <div className="page"><ProblemNotice problem={error} onRetry={() => void refetch()} /></div>;
  if (!asset) return <Loading what="the document" />;
  if (asset.kind === 'video' || asset.kind === 'audio') return <Navigate to={`/watch/${id}`} replace />;
  if (asset.state !== 'published') return <Processing asset={asset} />;
  return <Read asset={asset} key={asset.id} />;
}

function Read({ asset }: { asset: Asset }) {
  const [params, setParams] = useSearchParams();
  const { state } = useLocation();
  const lesson = useLesson(asset);
  const source = useQuery(sourceQuery(asset.id));
  const query = queryOf(state);
  const page = wholeNumber(params.get('page'));
  const isPdf = asset.media_type === 'application/pdf';
  const asText = !isPdf || params.get('view') === 'text';

  function set(changes: Record<string, string | null>) {
    const next = new URLSearchParams(params);
    for (const [key, value] of Object.entries(changes)) value === null ? next.delete(key) : next.set(key, value);
    setParams(next, { replace: true, state });
  }

  return (
    <div className="page read">
      <Breadcrumb course={lesson.course} lesson={lesson.lesson} />
      <div className="row spread">
        <h1>{asset.title}</h1>
        <p className="actions">
          {isPdf && (
            <button type="button" className="button" onClick={() => set({ view: asText ? null : 'text' })}>
              {asText ? 'Show the pages' : 'Show as text'}
            </button>
          )}
          {source.data && (
            <a className="button" href={source.data.url} download={source.data.file_name}>
              <Icon name="download" size={16} /> Original
            </a>
          )}
        </p>
      </div>
      {source.error && <ProblemNotice problem={source.error} onRetry={() => void source.refetch()} />}
      {asText && <TextView asset={asset} chunk={wholeNumber(params.get('chunk'))} page={page} query={query} />}
      {!asText && source.data && (
        <PdfView url={source.data.url} title={asset.title} page={page ?? 1} query={query} onPage={(to) => set({ page: String(to) })} />
      )}
      {!asText && source.isPending && <Loading what="the document" />}
      <LessonFooter {...lesson} />
      <Similar asset={asset} />
    </div>
  );
}

function wholeNumber(text: string | null): number | null {
  return text !== null && /^\d{1,7}$/.test(text) ? Number(text) : null;
}
