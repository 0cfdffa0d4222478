/** What else can be done with a job: move it before others, or make its upload anew from a stage on. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { actOnJobs } from '../../api/jobs';
import type { ActionRequest, Job, Lane, Stage } from '../../api/types';
import { LANES } from '../../words';
import { ProblemNotice } from '../problem-notice';

const STAGES: Stage[] = ['ingest', 'transcode', 'transcribe', 'extract', 'embed', 'index', 'publish'];

export function JobMoves({ job, admin }: { job: Job; admin: boolean }) {
  const queries = useQueryClient();
  const [from, setFrom] = useState<Stage>(STAGES.find((stage) => stage === job.stage) ?? 'ingest');
  const acting = useMutation({ mutationFn: actOnJobs, onSettled: () => queries.invalidateQueries() });
  const waits = job.state === 'queued' || job.state === 'parked';
  const act = (request: ActionRequest) => acting.mutate(request);
  return (
    <div className="job-moves">
      {admin && waits && (
        <>
          <button type="button" className="button quiet" disabled={acting.isPending} onClick={() => act({ action: 'prioritise', ids: [job.id], front: true })}>
            To the front
          </button>
          <label>
            Lane{' '}
            <select value={job.lane} disabled={acting.isPending} onChange={(event) => act({ action: 'prioritise', ids: [job.id], lane: event.target.value as Lane })}>
              {Object.entries(LANES).map(([lane, words]) => (
                <option key={lane} value={lane}>
                  {words.toLowerCase()}
                </option>
              ))}
            </select>
          </label>
        </>
      )}
      {job.asset_id != null && !waits && job.state !== 'running' && (
        <>
          <label>
            Make this upload anew from{' '}
            <select value={from} onChange={(event) => setFrom(event.target.value as Stage)}>
              {STAGES.map((stage) => (
                <option key={stage} value={stage}>
                  {stage}
                </option>
              ))}
            </select>
          </label>
          <button type="button" className="button quiet" disabled={acting.isPending} onClick={() => act({ action: 'rerun', assets: { asset_id: job.asset_id! }, from })}>
            Make anew
          </button>
        </>
      )}
      {acting.data && (
        <p className="fine" role="status">
          {acting.data.done > 0 ? 'Done.' : 'Not possible: it does not go through this stage, or is in it already.'}
        </p>
      )}
      {acting.error && <ProblemNotice problem={acting.error} />}
    </div>
  );
}
