/** Jobs, newest first; a row opens to its failure and times. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Fragment, useState } from 'react';
import { cancelJob, retryJob } from '../api/jobs';
import { sentence } from '../api/problem';
import type { Job } from '../api/types';
import { jobStateWord, moment, took } from '../words';
import { Icon } from './icon';
import { ProblemNotice } from './problem-notice';
import { ProgressBar } from './progress-bar';

export function JobTable({ jobs, onAsset }: { jobs: Job[]; onAsset: (assetId: string) => void }) {
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
            {open === job.id && <JobDetail job={job} />}
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
        <span className="fine"> {job.stage}</span>
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

function JobActions({ job }: { job: Job }) {
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

function JobDetail({ job }: { job: Job }) {
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
        <dl className="facts">
          <dt>Id</dt>
          <dd className="hash">{job.id}</dd>
          <dt>Created</dt>
          <dd>{moment(job.created_at)}</dd>
          {job.started_at && (
            <>
              <dt>Started</dt>
              <dd>{moment(job.started_at)}</dd>
            </>
          )}
          {job.ended_at && (
            <>
              <dt>Ended</dt>
              <dd>{moment(job.ended_at)}</dd>
            </>
          )}
          {job.worker && (
            <>
              <dt>Worker</dt>
              <dd>{job.worker}</dd>
            </>
          )}
        </dl>
      </td>
    </tr>
  );
}
