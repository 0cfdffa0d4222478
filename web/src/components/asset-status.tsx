/** Where an upload stands: its stages while it is worked on, or why it failed and what can be done. For editors. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { retryAsset } from '../api/assets';
import { sentence } from '../api/problem';
import type { Asset } from '../api/types';
import { noticeWords, stageWord, type Wait, waitingWords } from '../words';
import { Icon } from './icon';
import { ProblemNotice } from './problem-notice';
import { StageList } from './stage-list';

export function AssetStatus({ asset }: { asset: Asset }) {
  if (asset.state === 'failed') return <Failure asset={asset} />;
  if (asset.state === 'published' && !asset.complete) return <Finishing asset={asset} />;
  if (asset.state === 'published') return asset.notice ? <p className="notice">{noticeWords(asset.notice)}</p> : null;
  const waiting = waitOf(asset);
  return (
    <>
      {asset.stages?.length ? <StageList stages={asset.stages} /> : waiting === '' && <p className="fine">Waiting for a worker …</p>}
      {waiting !== '' && <p className="fine waiting">{waiting}</p>}
    </>
  );
}

/** It can be watched already. */
function Finishing({ asset }: { asset: Asset }) {
  return (
    <>
      <p className="fine">It can be watched already; the rest is being prepared.</p>
      {asset.stages?.length ? <StageList stages={asset.stages} /> : null}
    </>
  );
}

/** A server that makes no forecasts says nothing about it. */
function waitOf(asset: Asset & { waiting?: Wait | null }): string {
  return asset.waiting == null ? '' : waitingWords(asset.waiting);
}

function Failure({ asset }: { asset: Asset }) {
  const queries = useQueryClient();
  const retrying = useMutation({
    mutationFn: () => retryAsset(asset.id),
    onSuccess: () =>
      Promise.all([
        queries.invalidateQueries({ queryKey: ['course', asset.course_id] }),
        queries.invalidateQueries({ queryKey: ['asset', asset.id] }),
      ]),
  });
  const failure = asset.failure;
  return (
    <div className="problem" role="alert">
      <Icon name="warning" />
      <div>
        <p>{failure ? sentence(failure.reason) : 'This file could not be processed.'}</p>
        {failure && (
          <p className="fine">
            <code>{failure.code}</code> · {stageWord(failure.stage).toLowerCase()}
            {failure.attempt != null && `, try ${failure.attempt}`}
          </p>
        )}
        {retrying.error && <ProblemNotice problem={retrying.error} />}
      </div>
      <button type="button" className="button quiet" disabled={retrying.isPending} onClick={() => retrying.mutate()}>
        <Icon name="retry" size={16} /> Try again
      </button>
    </div>
  );
}
