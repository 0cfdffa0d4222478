/** The file behind an asset of any kind: sending another one in its place, and those that it had. */
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from 'react-router';
import { assetQuery } from '../api/assets';
import { isProblem } from '../api/problem';
import { Icon } from '../components/icon';
import { Breadcrumb, useLesson } from '../components/lesson-context';
import { usePageTitle } from '../components/page-title';
import { ProblemNotice } from '../components/problem-notice';
import { Versions } from '../components/recording/versions';
import { Loading } from '../components/states';
import type { Asset } from '../api/types';
import { pathOf } from '../words';
import { ForbiddenPage } from './forbidden';
import { NotFoundPage } from './not-found';

export default function FilePage() {
  const { id = '' } = useParams();
  const { data: asset, error, refetch } = useQuery(assetQuery(id));
  usePageTitle(asset && `The file of ${asset.title}`);
  if (isProblem(error) && (error.status === 404 || error.status === 400)) return <NotFoundPage what="file" />;
  if (error) return <div className="page"><ProblemNotice problem={error} onRetry={() => void refetch()} /></div>;
  if (!asset) return <Loading what="the file" />;
  if (!asset.stages) return <ForbiddenPage />; // only editors are told of the stages
  return <File asset={asset} key={asset.id} />;
}

function File({ asset }: { asset: Asset }) {
  const { course, lesson } = useLesson(asset);
  return (
    <div className="page file-page">
      <Breadcrumb course={course} lesson={lesson} />
      <div className="watch-title">
        <h1>{asset.title}</h1>
        {asset.state === 'published' && asset.kind !== 'captions' && (
          <Link className="button quiet" to={pathOf(asset)}>
            <Icon name="play" size={16} /> As learners see it
          </Link>
        )}
      </div>
      <Versions asset={asset} />
    </div>
  );
}
