/** For operators: how the stages stand, and every job with its progress and its failure. Instructors see their own. */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useSearchParams } from 'react-router';
import { jobsQuery, summaryQuery } from '../api/jobs';
import type { StageSummary } from '../api/types';
import { JobTable } from '../components/job-table';
import { usePageTitle } from '../components/page-title';
import { ProblemNotice } from '../components/problem-notice';
import { Empty, Loading } from '../components/states';
import { JOB_STATES, took } from '../words';

export function OperatePage() {
  usePageTitle('Operate');
  const [params, setParams] = useSearchParams();
  const [live, setLive] = useState(true);
  const filter = { state: params.get('state') ?? '', stage: params.get('stage') ?? '', asset_id: params.get('asset_id') ?? '' };
  const summary = useQuery(summaryQuery(live));
  const jobs = useInfiniteQuery(jobsQuery(filter, live));
  const items = jobs.data?.pages.flatMap((page) => page.items) ?? [];

  function set(key: string, value: string) {
    const next = new URLSearchParams(params);
    if (value === '') next.delete(key);
    else next.set(key, value);
    setParams(next, { replace: true });
  }

  return (
    <div className="page wide operate">
      <div className="row spread">
        <h1>Operate</h1>
        <label className="check">
          <input type="checkbox" checked={live} onChange={(event) => setLive(event.target.checked)} /> Refresh by itself
        </label>
      </div>
      {summary.error && <ProblemNotice problem={summary.error} onRetry={() => void summary.refetch()} />}
      <ul className="stage-cards" aria-label="Stages">
        {summary.data?.map((stage) => (
          <StageCard key={stage.stage} stage={stage} chosen={filter.stage === stage.stage} onPick={() => set('stage', filter.stage === stage.stage ? '' : stage.stage)} />
        ))}
      </ul>
      <section aria-labelledby="jobs-title">
        <div className="row spread">
          <h2 id="jobs-title">Jobs</h2>
          <div className="row filters">
            <label>
              State{' '}
              <select value={filter.state} onChange={(event) => set('state', event.target.value)}>
                <option value="">any</option>
                {Object.entries(JOB_STATES).map(([state, word]) => (
                  <option key={state} value={state}>
                    {word.toLowerCase()}
                  </option>
                ))}
              </select>
            </label>
            <label>
              Stage{' '}
              <select value={filter.stage} onChange={(event) => set('stage', event.target.value)}>
                <option value="">any</option>
                {summary.data?.map(({ stage }) => (
                  <option key={stage} value={stage}>
                    {stage}
                  </option>
                ))}
              </select>
            </label>
            {filter.asset_id !== '' && (
              <button type="button" className="button" onClick={() => set('asset_id', '')}>
                All uploads
              </button>
            )}
          </div>
        </div>
        {jobs.error && <ProblemNotice problem={jobs.error} onRetry={() => void jobs.refetch()} />}
        {jobs.isPending && <Loading what="the jobs" />}
        {jobs.data && items.length === 0 && <Empty title="No job is like this." />}
        {items.length > 0 && <JobTable jobs={items} onAsset={(id) => set('asset_id', id)} />}
        {jobs.hasNextPage && (
          <button type="button" className="button" disabled={jobs.isFetchingNextPage} onClick={() => void jobs.fetchNextPage()}>
            Older jobs
          </button>
        )}
      </section>
    </div>
  );
}

function StageCard({ stage, chosen, onPick }: { stage: StageSummary; chosen: boolean; onPick: () => void }) {
  const { queued, running, dead, concurrency, oldest_queued_seconds: oldest } = stage;
  return (
    <li>
      <button type="button" className={`stage-card${dead > 0 ? ' has-dead' : ''}`} aria-pressed={chosen} onClick={onPick}>
        <span className="stage-card-name">{stage.stage}</span>
        <span className="stage-card-counts">
          <span>
            <b>{running}</b> of {concurrency} running
          </span>
          <span>
            <b>{queued}</b> waiting{queued > 0 && oldest != null && `, ${took(oldest * 1000)}`}
          </span>
          <span className={dead > 0 ? 'bad' : ''}>
            <b>{dead}</b> failed
          </span>
        </span>
      </button>
    </li>
  );
}
