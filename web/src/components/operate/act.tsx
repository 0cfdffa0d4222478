/**
 * A change to many jobs at once: the server is asked first how many it would be, and a person says yes to that number.
 */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { actOnJobs } from '../../api/jobs';
import type { ActionAnswer, ActionRequest } from '../../api/types';
import { plural } from '../../words';
import { Icon, type IconName } from '../icon';
import { ProblemNotice } from '../problem-notice';

interface Words {
  /** "will be queued again" */
  will: string;
  /** "Queue 3 jobs again" */
  yes(count: string): string;
  /** "queued again" */
  done: string;
}

export const WORDS: Record<ActionRequest['action'], Words> = {
  retry: { will: 'will be queued again', yes: (count) => `Queue ${count} again`, done: 'queued again' },
  cancel: { will: 'will be cancelled', yes: (count) => `Cancel ${count}`, done: 'cancelled' },
  prioritise: { will: 'will go to the front', yes: (count) => `Move ${count}`, done: 'moved to the front' },
  rerun: { will: 'will be made anew', yes: (count) => `Make ${count} anew`, done: 'queued to be made anew' },
};

interface Props {
  label: string;
  icon: IconName;
  request: ActionRequest;
  /** Told what came of it, for the page to say. */
  onDone(message: string): void;
}

export function BulkButton({ label, icon, request, onDone }: Props) {
  const [asked, setAsked] = useState<ActionAnswer | null>(null);
  const queries = useQueryClient();
  const asking = useMutation({ mutationFn: () => actOnJobs({ ...request, dry_run: true }), onSuccess: setAsked });
  const acting = useMutation({
    mutationFn: () => actOnJobs(request),
    onSuccess: (answer) => {
      setAsked(null);
      onDone(`${plural(answer.done + answer.told, 'job')} ${WORDS[request.action].done}.${answer.more ? ' There are more: do it again.' : ''}`);
    },
    onSettled: () => queries.invalidateQueries(),
  });
  return (
    <>
      <button type="button" className="button quiet" disabled={asking.isPending} onClick={() => asking.mutate()}>
        <Icon name={icon} size={16} /> {label}
      </button>
      {asking.error && <ProblemNotice problem={asking.error} />}
      {asked && (
        <Confirm
          action={request.action}
          asked={asked}
          busy={acting.isPending}
          problem={acting.error}
          onYes={() => acting.mutate()}
          onNo={() => setAsked(null)}
        />
      )}
    </>
  );
}

interface ConfirmProps {
  action: ActionRequest['action'];
  asked: ActionAnswer;
  busy: boolean;
  problem: unknown;
  onYes(): void;
  onNo(): void;
}

function Confirm({ action, asked, busy, problem, onYes, onNo }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const words = WORDS[action];
  const count = asked.done + asked.told;
  return (
    <dialog className="dialog" ref={dialog} aria-labelledby="confirm-title" onClose={onNo}>
      <h2 id="confirm-title">{count === 0 ? 'No job is like this any more' : `${plural(count, 'job')} ${words.will}`}</h2>
      {asked.told > 0 && <p>{plural(asked.told, 'of them runs', 'of them run')} now and will stop within seconds.</p>}
      {asked.skipped > 0 && <p className="fine">{plural(asked.skipped, 'other')} that match stay as they are.</p>}
      {problem != null && <ProblemNotice problem={problem} />}
      <div className="row">
        {count > 0 && (
          <button type="button" className="button primary" disabled={busy} onClick={onYes}>
            {words.yes(plural(count, 'job'))}
          </button>
        )}
        <button type="button" className="button" onClick={() => dialog.current?.close()}>
          {count > 0 ? 'Leave them' : 'Close'}
        </button>
      </div>
    </dialog>
  );
}
