/** Every stage: what waits in which lane, what runs, how many at a time, and who paused it. For admins. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { pauseStage, resumeStage, setConcurrency } from '../../api/stages';
import type { Backlog, Pause, StageView } from '../../api/types';
import { age, CLOSED, clearing, LANES, moment } from '../../words';
import { Icon } from '../icon';
import { ProblemNotice } from '../problem-notice';

interface Props {
  stages: StageView[];
  backlogs: Backlog[];
  chosen: string;
  onPick(stage: string): void;
}

export function StageBoard({ stages, backlogs, chosen, onPick }: Props) {
  return (
    <ul className="stage-board" aria-label="Stages">
      {stages.map((stage) => (
        <li key={stage.stage} className={`stage-panel${stage.pauses.length > 0 ? ' is-paused' : ''}`} data-stage={stage.stage}>
          <Panel stage={stage} backlog={backlogs.find((backlog) => backlog.stage === stage.stage)} chosen={chosen === stage.stage} onPick={() => onPick(chosen === stage.stage ? '' : stage.stage)} />
        </li>
      ))}
    </ul>
  );
}

interface PanelProps {
  stage: StageView;
  backlog: Backlog | undefined;
  chosen: boolean;
  onPick(): void;
}

function Panel({ stage, backlog, chosen, onPick }: PanelProps) {
  const { stage: name, running, dead, parked, oldest_queued_seconds: oldest } = stage;
  return (
    <>
      <div className="row spread">
        <h3>
          <button type="button" className="link" aria-pressed={chosen} title="Only the jobs of this stage" onClick={onPick}>
            {name}
          </button>
        </h3>
        <Concurrency stage={stage} />
      </div>
      <dl className="lanes">
        {stage.lanes.map(({ lane, queued }) => (
          <div key={lane} className={queued > 0 ? 'has-some' : ''}>
            <dt>{LANES[lane]}</dt>
            <dd>{queued}</dd>
          </div>
        ))}
      </dl>
      <p className="stage-now">
        <b>{running}</b> running
        {oldest != null && ` · oldest waits ${age(oldest)}`}
        {parked > 0 && ` · ${parked} on hold`}
        {dead > 0 && <span className="bad"> · {dead} failed</span>}
        <span className="fine"> · {whereItRuns(stage)}</span>
      </p>
      {backlog && backlog.jobs > 0 && <p className="fine stage-forecast">{clearing(backlog)}</p>}
      {stage.pauses.map((pause) => (
        <PauseNotice key={`${pause.stage ?? ''} ${pause.host ?? ''}`} stage={name} pause={pause} />
      ))}
      {!stage.pauses.some((pause) => pause.stage != null && pause.host == null) && <PauseForm stage={name} />}
    </>
  );
}

/** Reasons to take nothing more that need no words: said elsewhere, or as it should be. */
const ORDINARY = new Set(['', 'paused', 'concurrency']);

function whereItRuns({ hosts }: StageView): string {
  if (hosts.length === 0) return 'no worker takes these jobs now';
  return hosts.map(({ host, closed }) => (ORDINARY.has(closed ?? '') ? `on ${host}` : `on ${host}: ${CLOSED[closed!]}`)).join(', ');
}

/** How many at a time in one process, with a step down and a step up. */
function Concurrency({ stage }: { stage: StageView }) {
  const queries = useQueryClient();
  const setting = useMutation({
    mutationFn: (count: number) => setConcurrency(stage.stage, count),
    onSettled: () => queries.invalidateQueries({ queryKey: ['stages'] }),
  });
  const shown = setting.isPending ? setting.variables : stage.concurrency;
  return (
    <div className="stepper" role="group" aria-label={`Jobs of ${stage.stage} at the same time`}>
      <button
        type="button"
        className="button icon-only"
        aria-label={`Fewer ${stage.stage} jobs at the same time`}
        disabled={shown === 0 || setting.isPending}
        onClick={() => setting.mutate(shown - 1)}
      >
        <Icon name="minus" size={16} />
      </button>
      <span className="number" aria-live="polite">
        {shown} at a time
      </span>
      <button
        type="button"
        className="button icon-only"
        aria-label={`More ${stage.stage} jobs at the same time`}
        disabled={setting.isPending}
        onClick={() => setting.mutate(shown + 1)}
      >
        <Icon name="plus" size={16} />
      </button>
      {setting.error && <ProblemNotice problem={setting.error} />}
    </div>
  );
}

function PauseNotice({ stage, pause }: { stage: string; pause: Pause }) {
  const queries = useQueryClient();
  const resuming = useMutation({ mutationFn: () => resumeStage(stage, pause.host), onSettled: () => queries.invalidateQueries() });
  const drains = pause.stage == null;
  return (
    <div className="notice paused">
      <p>
        {drains ? `${pause.host} takes no new jobs` : `Paused${pause.host == null ? '' : ` on ${pause.host}`}`} by <b>{pause.paused_by}</b>,{' '}
        {moment(pause.paused_at)}
        {pause.reason !== '' && <>: {pause.reason}</>}
      </p>
      {!drains && (
        <button type="button" className="button quiet" disabled={resuming.isPending} onClick={() => resuming.mutate()}>
          <Icon name="play" size={16} /> Resume {stage}
        </button>
      )}
      {resuming.error && <ProblemNotice problem={resuming.error} />}
    </div>
  );
}

function PauseForm({ stage }: { stage: string }) {
  const [open, setOpen] = useState(false);
  const [reason, setReason] = useState('');
  const queries = useQueryClient();
  const pausing = useMutation({
    mutationFn: () => pauseStage(stage, reason.trim()),
    onSuccess: () => {
      setOpen(false);
      setReason('');
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ['stages'] }),
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    pausing.mutate();
  }
  if (!open) {
    return (
      <button type="button" className="button quiet" onClick={() => setOpen(true)}>
        <Icon name="pause" size={16} /> Pause {stage}
      </button>
    );
  }
  return (
    <form className="pause-form" onSubmit={submit}>
      <label>
        Why?
        <input autoFocus value={reason} maxLength={500} placeholder="others will read it here" onChange={(event) => setReason(event.target.value)} />
      </label>
      <div className="row">
        <button type="submit" className="button" disabled={pausing.isPending}>
          Pause {stage}
        </button>
        <button type="button" className="button quiet" onClick={() => setOpen(false)}>
          Not now
        </button>
      </div>
      <p className="fine">What runs goes on; new jobs wait until somebody resumes it.</p>
      {pausing.error && <ProblemNotice problem={pausing.error} />}
    </form>
  );
}
