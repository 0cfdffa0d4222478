/**
 * In the place of the film or the document while it is not ready yet: what is being made, how far it is, and how long it
 * will still take.
 */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { assetQuery, watchAsset } from '../api/assets';
import type { Asset, AssetStage } from '../api/types';
import { remaining, stageOrder, stageWord, type Wait, waitingWords } from '../words';
import { AssetStatus } from './asset-status';
import { Icon } from './icon';
import { Breadcrumb, useLesson } from './lesson-context';
import { ProgressBar } from './progress-bar';
import { StageList } from './stage-list';

export function Processing({ asset }: { asset: Asset }) {
  const queries = useQueryClient();
  const lesson = useLesson(asset);
  useEffect(() => {
    if (asset.state !== 'processing') return;
    const stop = new AbortController();
    // when the stream breaks, the page stays as it was until it is loaded again
    watchAsset(asset.id, (news) => queries.setQueryData(assetQuery(asset.id).queryKey, news), stop.signal).catch(() => undefined);
    return () => stop.abort();
  }, [asset.id, asset.state, queries]);
  return (
    <div className="page">
      <Breadcrumb course={lesson.course} lesson={lesson.lesson} />
      <h1>{asset.title}</h1>
      {asset.state === 'failed' ? <AssetStatus asset={asset} /> : <Making asset={asset} />}
    </div>
  );
}

function Making({ asset }: { asset: Asset & { waiting?: Wait | null } }) {
  const now = useNow();
  const { stages, waiting } = asset;
  const stage = stages ? atWork(stages) : undefined;
  const left = waiting == null ? null : remaining(waiting, now);
  const why = waiting == null ? '' : waitingWords({ ...waiting, ready_from: null, ready_to: null });
  return (
    <section className="making" aria-label="How far it is">
      <div className="making-now" role="status">
        <Icon name={asset.kind ?? 'file'} size={34} />
        <p className="making-what">{stage ? stageWord(stage.stage) : 'Waiting for a worker'} …</p>
        {left !== null && <p className="making-left">{left}</p>}
        {why !== '' && <p className="fine">{why}</p>}
      </div>
      <ProgressBar label={stage ? stageWord(stage.stage) : 'Waiting'} done={stage?.done ?? 0} total={stage?.total ?? 0} />
      {stages && stages.length > 0 && <StageList stages={stages} />}
      <p className="fine">It opens here by itself as soon as it is ready; you need not wait on this page.</p>
    </section>
  );
}

/** What is being done now: of what runs, the latest step; else the first that waits. */
function atWork(stages: AssetStage[]): AssetStage | undefined {
  const sorted = [...stages].sort((a, b) => stageOrder(a.stage) - stageOrder(b.stage));
  return sorted.findLast((stage) => stage.state === 'running') ?? sorted.find((stage) => stage.state === 'queued' || stage.state === 'parked');
}

/** The time, each second anew. */
function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
