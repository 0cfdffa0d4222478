/** The lessons of a course, as learners see them. Who has not joined sees what they are called, and no more. */
import { Link } from 'react-router';
import type { Asset, Course, Lesson } from '../api/types';
import { describe, pathOf } from '../words';
import { CompleteButton } from './complete-button';
import { Icon } from './icon';
import { Empty } from './states';

export function LessonList({ course }: { course: Course }) {
  const { modules, materials } = course;
  if (modules.every((module) => module.lessons.length === 0) && materials.length === 0) return <Empty title="This course has no lessons yet." />;
  return (
    <>
      {modules.map((module) => (
        <section key={module.id} className="module">
          <h2>{module.title}</h2>
          <ol className="lessons">
            {module.lessons.map((lesson) => (
              <LessonRow key={lesson.id} lesson={lesson} course={course} />
            ))}
          </ol>
        </section>
      ))}
      {materials.length > 0 && (
        <section className="module">
          <h2>More material</h2>
          <AssetList assets={materials} />
        </section>
      )}
    </>
  );
}

function LessonRow({ lesson, course }: { lesson: Lesson; course: Course }) {
  return (
    <li className="lesson" id={`lesson-${lesson.id}`}>
      <div className="lesson-main">
        <h3>{lesson.title}</h3>
        <AssetList assets={lesson.assets} />
      </div>
      {course.enrolled && <CompleteButton courseId={course.id} lesson={lesson} />}
    </li>
  );
}

function AssetList({ assets }: { assets: Asset[] }) {
  return (
    <ul className="lesson-assets">
      {assets
        .filter((asset) => asset.kind !== 'captions') // they are shown with their video
        .map((asset) => (
          <li key={asset.id}>
            <AssetLink asset={asset} />
          </li>
        ))}
    </ul>
  );
}

export function AssetLink({ asset }: { asset: Asset }) {
  return (
    <Link className="asset-link" to={pathOf(asset)}>
      <Icon name={asset.kind ?? 'file'} />
      <span className="asset-title">{asset.title}</span>
      <span className="fine">{describe(asset)}</span>
    </Link>
  );
}
