/** The first page: search over everything, then one's courses, then those one may join. */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useSearchParams } from 'react-router';
import { coursesQuery } from '../api/courses';
import { useSession } from '../api/session';
import type { CourseSummary } from '../api/types';
import { CourseCard } from '../components/course-card';
import { Icon } from '../components/icon';
import { NewCourse } from '../components/new-course';
import { usePageTitle } from '../components/page-title';
import { ProblemNotice } from '../components/problem-notice';
import { Search } from '../components/search';
import { Empty, Loading } from '../components/states';

export function HomePage() {
  const [params] = useSearchParams();
  const query = params.get('q')?.trim() ?? '';
  usePageTitle(query === '' ? null : `“${query}”`);
  const session = useSession();
  const { data: courses, error, refetch } = useQuery(coursesQuery);
  const mine = courses?.filter((c) => c.enrolled || c.role_in_course != null) ?? [];
  const catalogue = courses?.filter((c) => !mine.includes(c) && c.state === 'published') ?? [];
  const teaches = session.status === 'in' && session.account.role !== 'student';

  return (
    <div className="page home">
      <h1 className={query === '' ? '' : 'visually-hidden'}>What would you like to know?</h1>
      <Search courses={mine} />
      {query === '' && (
        <>
          {error && <ProblemNotice problem={error} onRetry={() => void refetch()} />}
          {!courses && !error && <Loading what="your courses" />}
          {courses && (
            <>
              <MyCourses courses={mine} teaches={teaches} />
              {catalogue.length > 0 && (
                <section>
                  <h2>Courses you may join</h2>
                  <Shelf courses={catalogue} />
                </section>
              )}
            </>
          )}
        </>
      )}
    </div>
  );
}

function MyCourses({ courses, teaches }: { courses: CourseSummary[]; teaches: boolean }) {
  const [making, setMaking] = useState(false);
  return (
    <section>
      <div className="row spread">
        <h2>My courses</h2>
        {teaches && !making && (
          <button type="button" className="button" onClick={() => setMaking(true)}>
            <Icon name="plus" /> New course
          </button>
        )}
      </div>
      {making && <NewCourse onCancel={() => setMaking(false)} />}
      {courses.length === 0 && !making && (
        <Empty title="You are in no course yet.">
          <p>{teaches ? 'Make one, or join one below.' : 'Join one below to search, watch and read it.'}</p>
        </Empty>
      )}
      <Shelf courses={courses} />
    </section>
  );
}

function Shelf({ courses }: { courses: CourseSummary[] }) {
  return (
    <div className="shelf">
      {courses.map((course) => (
        <CourseCard key={course.id} course={course} />
      ))}
    </div>
  );
}
