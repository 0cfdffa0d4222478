/** The hosts that work: what runs there, why they take nothing more, and the way to empty one. For admins. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { drainHost, undrainHost } from '../../api/stages';
import type { HostView } from '../../api/types';
import { CLOSED, moment, plural } from '../../words';
import { Icon } from '../icon';
import { ProblemNotice } from '../problem-notice';
import { Empty } from '../states';

export function Hosts({ hosts }: { hosts: HostView[] }) {
  if (hosts.length === 0) return <Empty title="No worker has reported lately. Jobs wait until one does." />;
  return (
    <ul className="hosts">
      {hosts.map((host) => (
        <Host key={host.host} host={host} />
      ))}
    </ul>
  );
}

function Host({ host }: { host: HostView }) {
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
      {turning.error && <ProblemNotice problem={turning.error} />}
    </li>
  );
}
