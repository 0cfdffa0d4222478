/** The lesson that an asset belongs to: the way back to it, its completion, and the one that follows. */
import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { courseQuery } from '../api/courses';
import type { Asset, Course, Lesson } from '../api/types';
import { pathOf } from '../words';
import { CompleteButton } from './complete-button';
import { Icon } from './icon';

export interface LessonContext {
  course: Course | undefined;
  lesson: Lesson | undefined;
  next: Lesson | undefined;
}

export function useLesson(asset: Asset): LessonContext {
  const { data: course } = useQuery(courseQuery(asset.course_id));
  const lessons = course?.modules.flatMap((module) => module.lessons) ?? [];
  const at = lessons.findIndex((lesson) => lesson.assets.some((a) => a.id === asset.id));
  return { course, lesson: lessons[at], next: at < 0 ? undefined : lessons[at + 1] };
}

export function Breadcrumb({ course, lesson }: { course: Course | undefined; lesson: Lesson | undefined }) {
  return (
    <nav className="breadcrumb" aria-label="Where this belongs">
      {course ? <Link to={`/courses/${course.id}`}>{course.title}</Link> : <span>&nbsp;</span>}
      {course && lesson && (
        <>
          <span aria-hidden="true"> › </span>
          <Link to={`/courses/${course.id}#lesson-${lesson.id}`}>{lesson.title}</Link>
        </>
      )}
    </nav>
  );
}

export function LessonFooter({ course, lesson, next }: LessonContext) {
  if (!course || !lesson) return null;
  const open = next?.assets.find((a) => a.kind !== 'captions');
  return (
    <div className="lesson-footer">
      {course.enrolled && <CompleteButton courseId={course.id} lesson={lesson} />}
      {next && open && (
        <Link className="button" to={pathOf(open)}>
          Next: {next.title} <Icon name="right" size={16} />
        </Link>
      )}
    </div>
  );
}
