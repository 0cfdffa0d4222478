/** What gave up, by cause: why, what the program said last, and the way to take it up again, one or all. */
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { jobsQuery } from '../../api/jobs';
import { sentence } from '../../api/problem';
import type { DeadGroup, Job, Stage } from '../../api/types';
import { FAILURE_CLASSES, moment, plural } from '../../words';
import { JobActions } from '../job-table';
import { ProblemNotice } from '../problem-notice';
import { Loading } from '../states';
import { BulkButton } from './act';

interface Props {
  groups: DeadGroup[];
  live: boolean;
  onDone(message: string): void;
}

export function DeadLetters({ groups, live, onDone }: Props) {
  return (
    <ul className="dead-letters">
      {groups.map((group) => (
        <Group key={`${group.stage} ${group.class ?? ''} ${group.code}`} group={group} live={live} onDone={onDone} />
      ))}
    </ul>
  );
}

function Group({ group, live, onDone }: { group: DeadGroup; live: boolean; onDone(message: string): void }) {
  const [open, setOpen] = useState(false);
  const filter = {
    state: ['dead' as const],
    stage: group.stage as Stage,
    failure_code: group.code,
    ...(group.class == null ? {} : { failure_class: group.class }),
  };
  return (
    <li className="dead-group" data-code={group.code}>
      <div className="row spread">
        <h3>
          <button type="button" className="link" aria-expanded={open} onClick={() => setOpen(!open)}>
            {plural(group.count, 'job')} of {group.stage}
          </button>{' '}
          <code className="fine">{group.code}</code>
        </h3>
        <BulkButton label={group.count === 1 ? 'Retry' : 'Retry all like this'} icon="retry" request={{ action: 'retry', filter }} onDone={onDone} />
      </div>
      <p>{sentence(group.reason)}</p>
      <p className="fine">
        {group.class != null && `${FAILURE_CLASSES[group.class] ?? group.class}`}
        {group.last_at != null && ` Last ${moment(group.last_at)}.`}
      </p>
      {open && <Letters group={group} live={live} />}
    </li>
  );
}

const SHOWN = 20;

function Letters({ group, live }: { group: DeadGroup; live: boolean }) {
  const filter = { state: 'dead', stage: group.stage, lane: '', asset_id: '', failure_code: group.code };
  const jobs = useInfiniteQuery(jobsQuery(filter, live, SHOWN));
  const items = jobs.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      {jobs.error && <ProblemNotice problem={jobs.error} onRetry={() => void jobs.refetch()} />}
      {jobs.isPending && <Loading what="the failed jobs" />}
      <ul className="letters">
        {items.map((job) => (
          <Letter key={job.id} job={job} />
        ))}
      </ul>
      {jobs.hasNextPage && (
        <button type="button" className="button" disabled={jobs.isFetchingNextPage} onClick={() => void jobs.fetchNextPage()}>
          More like this
        </button>
      )}
    </>
  );
}

function Letter({ job }: { job: Job }) {
  const { failure } = job;
  return (
    <li data-job={job.id}>
      <div className="row spread">
        <p>
          <b>{job.file_name ?? job.kind}</b>{' '}
          <span className="fine">
            {plural(job.attempt, 'attempt')}
            {job.host != null && ` · last on ${job.host}`}
          </span>
        </p>
        <div className="row">
          <JobActions job={job} />
        </div>
      </div>
      {job.input_sha256 != null && (
        <p className="fine">
          input <span className="hash">{job.input_sha256}</span>
        </p>
      )}
      {failure?.detail != null && (
        <details>
          <summary>What the program said last</summary>
          <pre tabIndex={0}>{failure.detail}</pre>
        </details>
      )}
    </li>
  );
}
