/** Jobs, newest first; a row opens to its failure, its times, and what else can be done with it. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Fragment, type ReactNode, useState } from 'react';
import { cancelJob, retryJob } from '../api/jobs';
import { sentence } from '../api/problem';
import type { Job } from '../api/types';
import { fileSize, jobStateWord, LANES, moment, took } from '../words';
import { Icon } from './icon';
import { JobMoves } from './operate/job-moves';
import { ProblemNotice } from './problem-notice';
import { ProgressBar } from './progress-bar';

interface Props {
  jobs: Job[];
  /** Whoever looks may move jobs before those of others. */
  admin: boolean;
  onAsset(assetId: string): void;
}

export function JobTable({ jobs, admin, onAsset }: Props) {
  const [open, setOpen] = useState<string | null>(null);
  return (
    <table className="jobs">
      <thead>
        <tr>
          <th scope="col">Job</th>
          <th scope="col">Upload</th>
          <th scope="col">State</th>
          <th scope="col">Try</th>
          <th scope="col">Waited</th>
          <th scope="col">Ran</th>
          <th scope="col">
            <span className="visually-hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {jobs.map((job) => (
          <Fragment key={job.id}>
            <JobRow job={job} open={open === job.id} onToggle={() => setOpen(open === job.id ? null : job.id)} onAsset={onAsset} />
            {open === job.id && <JobDetail job={job} admin={admin} />}
          </Fragment>
        ))}
      </tbody>
    </table>
  );
}

interface RowProps {
  job: Job;
  open: boolean;
  onToggle(): void;
  onAsset(assetId: string): void;
}

function JobRow({ job, open, onToggle, onAsset }: RowProps) {
  const { progress, state } = job;
  return (
    <tr data-job={job.id} data-state={state}>
      <th scope="row" data-label="Job">
        <button type="button" className="link" aria-expanded={open} onClick={onToggle}>
          {job.kind}
        </button>
        <span className="fine">
          {' '}
          {job.stage}
          {job.lane !== 'default' && ` · ${LANES[job.lane]?.toLowerCase()}`}
        </span>
      </th>
      <td data-label="Upload">
        {job.asset_id ? (
          <button type="button" className="link" title="Only the jobs of this upload" onClick={() => onAsset(job.asset_id!)}>
            {job.asset_title ?? job.asset_id}
          </button>
        ) : (
          '–'
        )}
      </td>
      <td data-label="State">
        <span className={`badge ${state}`}>{jobStateWord(state)}</span>
        {job.failure && <code className="fine"> {job.failure.code}</code>}
        {job.state === 'running' && job.host != null && <span className="fine"> on {job.host}</span>}
        {job.state === 'parked' && <span className="fine"> until {moment(job.run_at)}</span>}
        {state === 'running' && progress.total > 0 && <ProgressBar slim label={`Progress of ${job.kind}`} done={progress.done} total={progress.total} />}
      </td>
      <td data-label="Try" className="number">
        {job.attempt}
      </td>
      <td data-label="Waited" className="number">
        {took(job.queued_ms)}
      </td>
      <td data-label="Ran" className="number">
        {job.run_ms == null ? '–' : took(job.run_ms)}
      </td>
      <td className="job-actions">
        <JobActions job={job} />
      </td>
    </tr>
  );
}

export function JobActions({ job }: { job: Job }) {
  const queries = useQueryClient();
  const again = () => queries.invalidateQueries({ queryKey: ['jobs'] });
  const retrying = useMutation({ mutationFn: () => retryJob(job.id), onSettled: again });
  const cancelling = useMutation({ mutationFn: () => cancelJob(job.id), onSettled: again });
  const error = retrying.error ?? cancelling.error;
  return (
    <>
      {(job.state === 'dead' || job.state === 'cancelled') && (
        <button type="button" className="button quiet" disabled={retrying.isPending} onClick={() => retrying.mutate()}>
          <Icon name="retry" size={16} /> Retry
        </button>
      )}
      {(job.state === 'queued' || job.state === 'running' || job.state === 'parked') && (
        <button type="button" className="button quiet" disabled={cancelling.isPending} onClick={() => cancelling.mutate()}>
          <Icon name="cross" size={16} /> Cancel
        </button>
      )}
      {error && <ProblemNotice problem={error} />}
    </>
  );
}

function JobDetail({ job, admin }: { job: Job; admin: boolean }) {
  const { failure } = job;
  return (
    <tr className="job-detail">
      <td colSpan={7}>
        {failure && (
          <>
            <p>{sentence(failure.reason)}</p>
            <p className="fine">
              <code>{failure.code}</code> {failure.class && `· ${failure.class} `}· failed {job.failures} of {job.max_failures} times
            </p>
            {failure.detail && <pre tabIndex={0}>{failure.detail}</pre>}
          </>
        )}
        <JobMoves job={job} admin={admin} />
        <dl className="facts">
          <Fact name="Id" value={<span className="hash">{job.id}</span>} />
          <Fact name="Owner" value={job.owner_name} />
          <Fact name="Input" value={job.input_sha256 && <span className="hash">{job.input_sha256}</span>} />
          <Fact name="Created" value={moment(job.created_at)} />
          <Fact name="Started" value={job.started_at && moment(job.started_at)} />
          <Fact name="Ended" value={job.ended_at && moment(job.ended_at)} />
          <Fact name="Host" value={job.host} />
          <Fact name="Worker" value={job.worker} />
          <Fact name="Used" value={used(job)} />
          <Fact name="Limits" value={job.limits_factor > 1 && `${job.limits_factor} times the usual memory and time`} />
          <Fact name="Request" value={job.request_id && <span className="hash">{job.request_id}</span>} />
        </dl>
      </td>
    </tr>
  );
}

function Fact({ name, value }: { name: string; value: ReactNode }) {
  if (value == null || value === false || value === '') return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}

function used({ used_memory_bytes: memory, used_cpu_seconds: cpu }: Job): string {
  return [memory != null && `${fileSize(memory)} of memory`, cpu != null && `${cpu.toFixed(1)} s of processor`].filter(Boolean).join(', ');
}
