/** The form that makes a course; it opens the new course when it is made. */
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { createCourse } from '../api/courses';
import { Field } from './field';
import { ProblemNotice } from './problem-notice';
import { useSubmit } from './submit';

export function NewCourse({ onCancel }: { onCancel: () => void }) {
  const [title, setTitle] = useState('');
  const [summary, setSummary] = useState('');
  const navigate = useNavigate();
  const queries = useQueryClient();
  const { submit, busy, problem } = useSubmit(async () => {
    const { id } = await createCourse({ title: title.trim(), summary: summary.trim() });
    void queries.invalidateQueries({ queryKey: ['courses'] });
    navigate(`/courses/${id}`);
  });
  return (
    <form className="form panel" onSubmit={submit}>
      <Field label="Title" required maxLength={200} autoFocus value={title} onChange={(e) => setTitle(e.target.value)} />
      <Field label="Summary" hint="One or two sentences for the catalogue." maxLength={2000} value={summary} onChange={(e) => setSummary(e.target.value)} />
      {problem && <ProblemNotice problem={problem} />}
      <p className="actions">
        <button className="button primary" disabled={busy}>
          Make the course
        </button>
        <button type="button" className="button" onClick={onCancel}>
          Cancel
        </button>
      </p>
    </form>
  );
}
