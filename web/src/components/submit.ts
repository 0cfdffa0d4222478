import { type FormEvent, useState } from 'react';
import { asProblem, type Problem } from '../api/problem';

/** The states of a form: busy while it is sent, and the problem of the last try. What was typed is the form's own. */
export function useSubmit(send: () => Promise<unknown>) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  async function submit(event: FormEvent) {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      await send();
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  }
  return { submit: (event: FormEvent) => void submit(event), busy, problem };
}
