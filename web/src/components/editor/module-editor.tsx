/** A module in the workshop: its lessons with what they show, and a place for the next one. */
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { createLesson } from '../../api/courses';
import type { Course, Module } from '../../api/types';
import { Field } from '../field';
import { Icon } from '../icon';
import { ProblemNotice } from '../problem-notice';
import { useSubmit } from '../submit';
import { AssetRow, withoutCaptions } from './asset-row';

export function ModuleEditor({ module, course }: { module: Module; course: Course }) {
  return (
    <section className="module" aria-label={`Module ${module.title}`}>
      <h3>{module.title}</h3>
      <ol className="lessons">
        {module.lessons.map((lesson) => (
          <li key={lesson.id} className="lesson" id={`lesson-${lesson.id}`}>
            <div className="lesson-main">
              <h4>{lesson.title}</h4>
              <ul className="assets">
                {withoutCaptions(lesson.assets, course).map((asset) => (
                  <AssetRow key={asset.id} asset={asset} course={course} lesson={lesson} />
                ))}
                {lesson.assets.length === 0 && <li className="fine">Empty. Put something into it with the list beside each upload.</li>}
              </ul>
            </div>
          </li>
        ))}
      </ol>
      <NewLesson moduleId={module.id} courseId={course.id} />
    </section>
  );
}

function NewLesson({ moduleId, courseId }: { moduleId: string; courseId: string }) {
  const [title, setTitle] = useState('');
  const queries = useQueryClient();
  const { submit, busy, problem } = useSubmit(async () => {
    await createLesson(moduleId, title.trim());
    setTitle('');
    await queries.invalidateQueries({ queryKey: ['course', courseId] });
  });
  return (
    <form className="form inline" onSubmit={submit}>
      <Field label="Title of another lesson" required maxLength={200} value={title} onChange={(e) => setTitle(e.target.value)} />
      <button className="button" disabled={busy}>
        <Icon name="plus" /> Add lesson
      </button>
      {problem && <ProblemNotice problem={problem} />}
    </form>
  );
}
