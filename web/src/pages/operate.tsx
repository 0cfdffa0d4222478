/**
 * For operators: how the stages stand and are set, which hosts work, what failed, and every job. Instructors see the jobs
 * of their own courses, and the stages from afar.
 */
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useSearchParams } from 'react-router';
import { deadQuery, type JobFilter, jobsQuery, meaning, summaryQuery } from '../api/jobs';
import { useSession } from '../api/session';
import { backlogsQuery, hostsQuery, stagesQuery } from '../api/stages';
import type { StageSummary } from '../api/types';
import { JobTable } from '../components/job-table';
import { BulkButton } from '../components/operate/act';
import { DeadLetters } from '../components/operate/dead-letters';
import { Hosts } from '../components/operate/hosts';
import { JobFilters } from '../components/operate/job-filters';
import { StageBoard } from '../components/operate/stage-board';
import { usePageTitle } from '../components/page-title';
import { ProblemNotice } from '../components/problem-notice';
import { Empty, Loading } from '../components/states';
import { age } from '../words';

export function OperatePage() {
  usePageTitle('Operate');
  const session = useSession();
  const admin = session.status === 'in' && session.account.role === 'admin';
  const [params, setParams] = useSearchParams();
  const [live, setLive] = useState(true);
  const [said, setSaid] = useState('');
  const read = (key: keyof JobFilter) => params.get(key) ?? '';
  const filter = { state: read('state'), stage: read('stage'), lane: read('lane'), asset_id: read('asset_id'), failure_code: read('failure_code') };

  function set(key: keyof JobFilter, value: string) {
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
      <p role="status" className={said === '' ? 'visually-hidden' : 'notice'}>
        {said}
      </p>
      {admin ? (
        <Board live={live} chosen={filter.stage} onPick={(stage) => set('stage', stage)} />
      ) : (
        <Summary live={live} chosen={filter.stage} onPick={(stage) => set('stage', stage)} />
      )}
      <Dead live={live} onDone={setSaid} />
      <Jobs live={live} admin={admin} filter={filter} onSet={set} onDone={setSaid} />
    </div>
  );
}

interface StagesProps {
  live: boolean;
  chosen: string;
  onPick(stage: string): void;
}

const RUNNING: JobFilter = { state: 'running', stage: '', lane: '', asset_id: '', failure_code: '' };

function Board({ live, chosen, onPick }: StagesProps) {
  const stages = useQuery(stagesQuery(live));
  const backlogs = useQuery(backlogsQuery(live));
  const hosts = useQuery(hostsQuery(live));
  const running = useInfiniteQuery(jobsQuery(RUNNING, live, 100));
  return (
    <>
      <section aria-labelledby="stages-title">
        <h2 id="stages-title">Stages</h2>
        {stages.error && <ProblemNotice problem={stages.error} onRetry={() => void stages.refetch()} />}
        {stages.isPending && <Loading what="the stages" />}
        {stages.data && <StageBoard stages={stages.data} backlogs={backlogs.data ?? []} chosen={chosen} onPick={onPick} />}
      </section>
      <section aria-labelledby="hosts-title">
        <h2 id="hosts-title">Hosts</h2>
        {hosts.error && <ProblemNotice problem={hosts.error} onRetry={() => void hosts.refetch()} />}
        {hosts.data && <Hosts hosts={hosts.data} running={running.data?.pages.flatMap((page) => page.items) ?? []} />}
      </section>
    </>
  );
}

function Summary({ live, chosen, onPick }: StagesProps) {
  const summary = useQuery(summaryQuery(live));
  return (
    <>
      {summary.error && <ProblemNotice problem={summary.error} onRetry={() => void summary.refetch()} />}
      <ul className="stage-cards" aria-label="Stages">
        {summary.data?.map((stage) => (
          <StageCard key={stage.stage} stage={stage} chosen={chosen === stage.stage} onPick={() => onPick(chosen === stage.stage ? '' : stage.stage)} />
        ))}
      </ul>
    </>
  );
}

function Dead({ live, onDone }: { live: boolean; onDone(message: string): void }) {
  const dead = useQuery(deadQuery(live));
  if (dead.error) return <ProblemNotice problem={dead.error} onRetry={() => void dead.refetch()} />;
  if (!dead.data || dead.data.length === 0) return null;
  return (
    <section aria-labelledby="dead-title">
      <h2 id="dead-title">Failed for good</h2>
      <DeadLetters groups={dead.data} live={live} onDone={onDone} />
    </section>
  );
}

interface JobsProps {
  live: boolean;
  admin: boolean;
  filter: JobFilter;
  onSet(key: keyof JobFilter, value: string): void;
  onDone(message: string): void;
}

function Jobs({ live, admin, filter, onSet, onDone }: JobsProps) {
  const jobs = useInfiniteQuery(jobsQuery(filter, live));
  const items = jobs.data?.pages.flatMap((page) => page.items) ?? [];
  const meant = meaning(filter);
  const some = Object.keys(meant).length > 0 && items.length > 0;
  const has = (...states: string[]) => some && items.some((job) => states.includes(job.state));
  const [again, waits, works] = [has('dead', 'cancelled'), has('queued', 'parked'), has('queued', 'parked', 'running')];
  return (
    <section aria-labelledby="jobs-title">
      <div className="row spread">
        <h2 id="jobs-title">Jobs</h2>
        <JobFilters filter={filter} onSet={onSet} />
      </div>
      {(again || works) && (
        <div className="row bulk" role="group" aria-label="All jobs that the filter matches">
          {again && <BulkButton label="Retry all" icon="retry" request={{ action: 'retry', filter: meant }} onDone={onDone} />}
          {admin && waits && (
            <BulkButton label="All to the front" icon="upload" request={{ action: 'prioritise', filter: meant, front: true }} onDone={onDone} />
          )}
          {works && <BulkButton label="Cancel all" icon="cross" request={{ action: 'cancel', filter: meant }} onDone={onDone} />}
        </div>
      )}
      {jobs.error && <ProblemNotice problem={jobs.error} onRetry={() => void jobs.refetch()} />}
      {jobs.isPending && <Loading what="the jobs" />}
      {jobs.data && items.length === 0 && <Empty title="No job is like this." />}
      {items.length > 0 && <JobTable jobs={items} admin={admin} onAsset={(id) => onSet('asset_id', id)} />}
      {jobs.hasNextPage && (
        <button type="button" className="button" disabled={jobs.isFetchingNextPage} onClick={() => void jobs.fetchNextPage()}>
          Older jobs
        </button>
      )}
    </section>
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
            <b>{queued}</b> waiting{queued > 0 && oldest != null && `, ${age(oldest)}`}
          </span>
          <span className={dead > 0 ? 'bad' : ''}>
            <b>{dead}</b> failed
          </span>
        </span>
      </button>
    </li>
  );
}
