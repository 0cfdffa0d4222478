/** A course: its lessons for who learns, and the workshop for who teaches. */
import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { Link, useLocation, useParams } from 'react-router';
import { courseQuery } from '../api/courses';
import { isProblem } from '../api/problem';
import type { Course } from '../api/types';
import { CourseProgress, EnrolButton } from '../components/course-card';
import { CourseEditor } from '../components/editor/course-editor';
import { LessonList } from '../components/lesson-list';
import { useLiveAssets } from '../components/live-assets';
import { usePageTitle } from '../components/page-title';
import { ProblemNotice } from '../components/problem-notice';
import { spineOf } from '../components/spine';
import { Loading } from '../components/states';
import { NotFoundPage } from './not-found';

export function CoursePage() {
  const { id = '' } = useParams();
  const { data: course, error, refetch } = useQuery(courseQuery(id));
  usePageTitle(course?.title);
  useLiveAssets(course);
  useScrollToHash(course !== undefined);
  if (isProblem(error) && (error.status === 404 || error.status === 400)) return <NotFoundPage what="course" />;
  if (error && !course) return <div className="page"><ProblemNotice problem={error} onRetry={() => void refetch()} /></div>;
  if (!course) return <Loading what="the course" />;
  if (course.role_in_course === 'editor') return <CourseEditor course={course} />;
  return (
    <div className="page course">
      <CourseHead course={course} />
      <LessonList course={course} />
    </div>
  );
}

function CourseHead({ course }: { course: Course }) {
  return (
    <header className="course-head" style={spineOf(course.id)}>
      <h1>{course.title}</h1>
      <p className="fine">by {course.owner_name}</p>
      {course.summary && <p className="lead">{course.summary}</p>}
      {course.role_in_course == null && <EnrolButton course={course} />}
      {course.enrolled && course.progress && course.progress.total > 0 && (
        <>
          <CourseProgress {...course.progress} />
          {course.progress.done === course.progress.total && <Link to="/certificates">See your certificate</Link>}
        </>
      )}
      {course.role_in_course != null && (
        <p>
          <Link to={`/?course=${course.id}`}>Search in this course</Link>
        </p>
      )}
    </header>
  );
}

/** The lesson that a link names is there only after the course has come. */
function useScrollToHash(ready: boolean) {
  const { hash } = useLocation();
  useEffect(() => {
    if (!ready || hash === '') return;
    document.getElementById(decodeURIComponent(hash.slice(1)))?.scrollIntoView({ block: 'center' });
  }, [ready, hash]);
}
