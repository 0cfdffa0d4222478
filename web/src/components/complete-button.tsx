/** Says that a lesson is done; the last one brings the certificate. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';
import { completeLesson } from '../api/courses';
import type { Lesson } from '../api/types';
import { Icon } from './icon';
import { ProblemNotice } from './problem-notice';

export function CompleteButton({ courseId, lesson }: { courseId: string; lesson: Lesson }) {
  const queries = useQueryClient();
  const completing = useMutation({
    mutationFn: () => completeLesson(lesson.id),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: ['course', courseId] });
      void queries.invalidateQueries({ queryKey: ['courses'] });
      void queries.invalidateQueries({ queryKey: ['certificates'] });
    },
  });
  const done = lesson.completed || completing.isSuccess;
  const result = completing.data;
  return (
    <div className="complete">
      {done ? (
        <span className="completed">
          <Icon name="check" /> Completed
        </span>
      ) : (
        <button
          type="button"
          className="button"
          disabled={completing.isPending}
          aria-label={completing.isPending ? undefined : `Mark as complete: ${lesson.title}`}
          onClick={() => completing.mutate()}
        >
          <Icon name="check" /> {completing.isPending ? 'Saving …' : 'Mark as complete'}
        </button>
      )}
      {completing.error && <ProblemNotice problem={completing.error} />}
      <span role="status" className={result?.certificate_id ? 'certificate-news' : 'visually-hidden'}>
        {result && !result.certificate_id && `Completed. ${result.course_progress.done} of ${result.course_progress.total} lessons done.`}
        {result?.certificate_id && (
          <>
            You finished the course. <Link to="/certificates">See your certificate</Link>
          </>
        )}
      </span>
    </div>
  );
}
