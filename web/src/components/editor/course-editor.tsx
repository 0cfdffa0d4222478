/** The workshop of a course: what it is called, what is uploaded, how it is put into lessons, and when it opens. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import { createModule, editCourse, publishCourse } from '../../api/courses';
import type { Course } from '../../api/types';
import { Field } from '../field';
import { Icon } from '../icon';
import { ProblemNotice } from '../problem-notice';
import { spineOf } from '../spine';
import { Empty } from '../states';
import { useSubmit } from '../submit';
import { AssetRow, withoutCaptions } from './asset-row';
import { ModuleEditor } from './module-editor';
import { Uploader } from './uploader';

export type EditableCourse = Course & { etag: string | null };

export function CourseEditor({ course }: { course: EditableCourse }) {
  const loose = withoutCaptions(course.materials, course);
  const lessons = course.modules.flatMap((module) => module.lessons);
  return (
    <div className="page course">
      <Head course={course} />
      <Uploader courseId={course.id} />
      <section aria-labelledby="materials-title">
        <h2 id="materials-title">Not in a lesson yet</h2>
        {loose.length === 0 && (
          <Empty title={lessons.length === 0 ? 'What you upload appears here.' : 'Everything you uploaded is in a lesson.'} />
        )}
        <ul className="assets">
          {loose.map((asset) => (
            <AssetRow key={asset.id} asset={asset} course={course} />
          ))}
        </ul>
      </section>
      <section aria-labelledby="lessons-title">
        <h2 id="lessons-title">Modules and lessons</h2>
        {course.modules.map((module) => (
          <ModuleEditor key={module.id} module={module} course={course} />
        ))}
        <NewModule courseId={course.id} first={course.modules.length === 0} />
      </section>
    </div>
  );
}

function Head({ course }: { course: EditableCourse }) {
  const [editing, setEditing] = useState(false);
  const queries = useQueryClient();
  const publishing = useMutation({
    mutationFn: () => publishCourse(course.id),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['courses'] });
      return queries.invalidateQueries({ queryKey: ['course', course.id] });
    },
  });
  return (
    <header className="course-head" style={spineOf(course.id)}>
      {editing ? (
        <EditDetails course={course} onDone={() => setEditing(false)} />
      ) : (
        <>
          <div className="row spread">
            <h1>{course.title}</h1>
            <span className={`badge ${course.state}`}>{course.state}</span>
          </div>
          <p className="fine">by {course.owner_name}</p>
          {course.summary && <p className="lead">{course.summary}</p>}
          <p className="actions">
            {course.state === 'draft' && (
              <button type="button" className="button primary" disabled={publishing.isPending} onClick={() => publishing.mutate()}>
                Publish the course
              </button>
            )}
            <button type="button" className="button" onClick={() => setEditing(true)}>
              Edit title and summary
            </button>
            <Link className="button" to={`/?course=${course.id}`}>
              <Icon name="search" size={16} /> Search in this course
            </Link>
          </p>
          {publishing.error && <ProblemNotice problem={publishing.error} />}
        </>
      )}
    </header>
  );
}

function EditDetails({ course, onDone }: { course: EditableCourse; onDone: () => void }) {
  const [title, setTitle] = useState(course.title);
  const [summary, setSummary] = useState(course.summary);
  const [etag] = useState(course.etag); // of what the form was filled with, so that nobody else's edit is lost
  const queries = useQueryClient();
  const { submit, busy, problem } = useSubmit(async () => {
    await editCourse(course.id, etag, { title: title.trim(), summary: summary.trim() });
    await queries.invalidateQueries({ queryKey: ['course', course.id] });
    void queries.invalidateQueries({ queryKey: ['courses'] });
    onDone();
  });
  return (
    <form className="form" onSubmit={submit}>
      <Field label="Title" required maxLength={200} value={title} onChange={(e) => setTitle(e.target.value)} />
      <Field label="Summary" maxLength={2000} value={summary} onChange={(e) => setSummary(e.target.value)} />
      {problem && <ProblemNotice problem={problem} />}
      <p className="actions">
        <button className="button primary" disabled={busy}>
          Save
        </button>
        <button type="button" className="button" onClick={onDone}>
          Cancel
        </button>
      </p>
    </form>
  );
}

function NewModule({ courseId, first }: { courseId: string; first: boolean }) {
  const [title, setTitle] = useState('');
  const queries = useQueryClient();
  const { submit, busy, problem } = useSubmit(async () => {
    await createModule(courseId, title.trim());
    setTitle('');
    await queries.invalidateQueries({ queryKey: ['course', courseId] });
  });
  return (
    <form className="form inline" onSubmit={submit}>
      <Field label={first ? 'Title of the first module' : 'Title of another module'} required maxLength={200} value={title} onChange={(e) => setTitle(e.target.value)} />
      <button className="button" disabled={busy}>
        <Icon name="plus" /> Add module
      </button>
      {problem && <ProblemNotice problem={problem} />}
    </form>
  );
}
