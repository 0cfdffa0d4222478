/** The hosts that work: what runs there, why they take nothing more, and the way to empty one. For admins. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { drainHost, undrainHost } from '../../api/stages';
import type { HostView, Job } from '../../api/types';
import { CLOSED, moment, plural } from '../../words';
import { Icon } from '../icon';
import { ProblemNotice } from '../problem-notice';
import { ProgressBar } from '../progress-bar';
import { Empty } from '../states';

/** `running` are the jobs that run now, wherever. */
export function Hosts({ hosts, running }: { hosts: HostView[]; running: Job[] }) {
  if (hosts.length === 0) return <Empty title="No worker has reported lately. Jobs wait until one does." />;
  return (
    <ul className="hosts">
      {hosts.map((host) => (
        <Host key={host.host} host={host} jobs={running.filter((job) => job.host === host.host)} />
      ))}
    </ul>
  );
}

function Host({ host, jobs }: { host: HostView; jobs: Job[] }) {
  const queries = useQueryClient();
  const { drain, workers, running } = host;
  const turning = useMutation({
    mutationFn: async () => void (await (drain ? undrainHost(host.host) : drainHost(host.host, ''))),
    onSettled: () => queries.invalidateQueries(),
  });
  const versions = [...new Set(workers.map((worker) => worker.version))].join(', ');
  const pools = workers.flatMap((worker) => worker.pools);
  return (
    <li className="host" data-host={host.host}>
      <div className="row spread">
        <h3>{host.host}</h3>
        <button type="button" className="button quiet" disabled={turning.isPending} onClick={() => turning.mutate()}>
          <Icon name={drain ? 'play' : 'pause'} size={16} /> {drain ? `Let ${host.host} work again` : `Drain ${host.host}`}
        </button>
      </div>
      <p>
        {workers.length === 0 ? 'No process reports from here.' : `${plural(workers.length, 'process', 'processes')}, version ${versions}`} ·{' '}
        {running === 0 ? 'nothing runs' : `${plural(running, 'job')} running`}
      </p>
      {drain && (
        <p className="notice">
          Takes no new jobs since {moment(drain.paused_at)}, by <b>{drain.paused_by}</b>
          {drain.reason !== '' && <>: {drain.reason}</>}. {running === 0 ? 'It can be stopped.' : 'What runs goes on.'}
        </p>
      )}
      <ul className="pools">
        {pools.map((pool, index) => (
          <li key={`${pool.stage} ${index}`}>
            {pool.stage} {pool.running}/{pool.concurrency}
            {pool.closed != null && pool.closed !== 'concurrency' && <span className="fine">, {CLOSED[pool.closed]}</span>}
          </li>
        ))}
      </ul>
      {jobs.length > 0 && (
        <ul className="host-jobs" aria-label={`Running on ${host.host}`}>
          {jobs.map((job) => (
            <li key={job.id}>
              <span>
                {job.kind} <span className="fine">{job.file_name}</span>
              </span>
              <ProgressBar slim label={`Progress of ${job.kind} ${job.file_name ?? ''}`} done={job.progress.done} total={job.progress.total} />
            </li>
          ))}
        </ul>
      )}
      {turning.error && <ProblemNotice problem={turning.error} />}
    </li>
  );
}
