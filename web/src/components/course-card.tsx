/** A course on the first page: a book's spine, its title, how far one is. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from 'react-router';
import { enrol } from '../api/courses';
import type { CourseSummary } from '../api/types';
import { ProblemNotice } from './problem-notice';
import { ProgressBar } from './progress-bar';
import { spineOf } from './spine';

export function CourseCard({ course }: { course: CourseSummary }) {
  const mine = course.enrolled || course.role_in_course != null;
  return (
    <article className="card" style={spineOf(course.id)}>
      <h3>
        <Link to={`/courses/${course.id}`}>{course.title}</Link>
      </h3>
      <p className="fine">
        {course.owner_name}
        {course.role_in_course === 'editor' && <span className={`badge ${course.state}`}>{course.state}</span>}
      </p>
      {course.summary && <p className="card-summary">{course.summary}</p>}
      {course.enrolled && course.progress && course.progress.total > 0 && <CourseProgress {...course.progress} />}
      {!mine && <EnrolButton course={course} />}
    </article>
  );
}

export function CourseProgress({ done, total }: { done: number; total: number }) {
  return (
    <div className="card-progress">
      <ProgressBar slim label="Lessons done" done={done} total={total} />
      <span className="fine">{done === total ? 'Finished' : `${done} of ${total} lessons`}</span>
    </div>
  );
}

export function EnrolButton({ course }: { course: { id: string; title: string } }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const joining = useMutation({
    mutationFn: () => enrol(course.id),
    onSuccess: async () => {
      await queries.invalidateQueries();
      navigate(`/courses/${course.id}`);
    },
  });
  return (
    <>
      {joining.error && <ProblemNotice problem={joining.error} />}
      <button
        type="button"
        className="button primary"
        aria-label={`Enrol in ${course.title}`}
        disabled={joining.isPending}
        onClick={() => joining.mutate()}
      >
        {joining.isPending ? 'Enrolling …' : 'Enrol'}
      </button>
    </>
  );
}
