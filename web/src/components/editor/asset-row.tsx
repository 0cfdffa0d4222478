/** One upload in the workshop: what it is, how far it is, and which lesson it goes into. */
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from 'react-router';
import { createLesson, setLessonAssets } from '../../api/courses';
import type { Asset, Course, Lesson } from '../../api/types';
import { describe } from '../../words';
import { AssetStatus } from '../asset-status';
import { Icon } from '../icon';
import { AssetLink } from '../lesson-list';
import { allAssets } from '../live-assets';
import { ProblemNotice } from '../problem-notice';

interface Props {
  asset: Asset;
  course: Course;
  /** The lesson that it is in, if it is in one. */
  lesson?: Lesson;
}

export function AssetRow({ asset, course, lesson }: Props) {
  const queries = useQueryClient();
  const moving = useMutation({
    mutationFn: (to: Place) => move(asset, lesson, to),
    onSettled: () => queries.invalidateQueries({ queryKey: ['course', course.id] }),
  });
  const captions = captionsOf(asset, course);
  return (
    <li className="asset" data-asset={asset.id} data-state={asset.state}>
      <div className="row spread">
        {asset.state === 'published' && asset.kind !== 'captions' ? (
          <AssetLink asset={asset} />
        ) : (
          <span className="asset-link">
            <Icon name={asset.kind ?? 'file'} />
            <span className="asset-title">{asset.title}</span>
            <span className="fine">
              {describe(asset)}
            </span>
          </span>
        )}
        {asset.state === 'published' && (asset.kind === 'video' || asset.kind === 'audio') && (
          <Link className="button icon-only" to={`/edit/${asset.id}`} aria-label={`Edit captions, chapters and picture of “${asset.title}”`} title="Captions, chapters, picture">
            <Icon name="pencil" size={16} />
          </Link>
        )}
        <Link className="button icon-only" to={`/file/${asset.id}`} aria-label={`Replace the file of “${asset.title}”, or restore an earlier one`} title="Replace, restore">
          <Icon name="retry" size={16} />
        </Link>
        <span className={`badge ${asset.state}`}>{asset.state}</span>
        {lesson ? (
          <button
            type="button"
            className="button icon-only"
            aria-label={`Take “${asset.title}” out of “${lesson.title}”`}
            title="Take out of the lesson"
            disabled={moving.isPending}
            onClick={() => moving.mutate({ to: 'nowhere' })}
          >
            <Icon name="minus" size={16} />
          </button>
        ) : (
          asset.kind !== 'captions' && <PlaceSelect asset={asset} course={course} busy={moving.isPending} onPick={(to) => moving.mutate(to)} />
        )}
      </div>
      {moving.error && <ProblemNotice problem={moving.error} />}
      <AssetStatus asset={asset} />
      {captions.length > 0 && (
        <ul className="captions-of">
          {captions.map((file) => (
            <li key={file.id} data-asset={file.id} data-state={file.state}>
              <div className="row spread">
                <span className="asset-link">
                  <Icon name="captions" />
                  <span className="asset-title">{file.title}</span>
                  <span className="fine">{file.auto ? 'Captions, automatic' : 'Captions'}</span>
                </span>
                {file.state === 'published' && asset.state === 'published' && (
                  <Link className="button icon-only" to={`/edit/${asset.id}?captions=${file.id}`} aria-label={`Edit the captions “${file.title}”`} title="Edit">
                    <Icon name="pencil" size={16} />
                  </Link>
                )}
                <Link className="button icon-only" to={`/file/${file.id}`} aria-label={`Replace the file of the captions “${file.title}”, or restore an earlier one`} title="Replace, restore">
                  <Icon name="retry" size={16} />
                </Link>
                <span className={`badge ${file.state}`}>{file.state}</span>
              </div>
              <AssetStatus asset={file} />
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}

/** Captions are shown with what they belong to, wherever that stands. */
function captionsOf(asset: Asset, course: Course): Asset[] {
  return allAssets(course).filter((a) => a.parent_id === asset.id);
}

/** What is shown in a place of its own: everything but captions whose film is here. */
export function withoutCaptions(assets: Asset[], course: Course): Asset[] {
  const all = allAssets(course);
  return assets.filter((asset) => !all.some((a) => a.id === asset.parent_id));
}

type Place = { to: 'lesson'; lesson: Lesson } | { to: 'new'; moduleId: string } | { to: 'nowhere' };

async function move(asset: Asset, from: Lesson | undefined, place: Place): Promise<void> {
  const ids = (lesson: Lesson) => lesson.assets.map((a) => a.id);
  if (place.to === 'lesson') await setLessonAssets(place.lesson.id, [...ids(place.lesson), asset.id]);
  if (place.to === 'new') await createLesson(place.moduleId, asset.title, [asset.id]);
  if (place.to === 'nowhere' && from) await setLessonAssets(from.id, ids(from).filter((id) => id !== asset.id));
}

function PlaceSelect({ asset, course, busy, onPick }: { asset: Asset; course: Course; busy: boolean; onPick: (place: Place) => void }) {
  if (course.modules.length === 0) return null;
  function pick(value: string) {
    const [to, id] = value.split(':');
    const lesson = course.modules.flatMap((m) => m.lessons).find((l) => l.id === id);
    if (to === 'new' && id) onPick({ to: 'new', moduleId: id });
    if (to === 'lesson' && lesson) onPick({ to: 'lesson', lesson });
  }
  return (
    <select aria-label={`Put “${asset.title}” into a lesson`} value="" disabled={busy} onChange={(event) => pick(event.target.value)}>
      <option value="">Put into …</option>
      {course.modules.map((module) => (
        <optgroup key={module.id} label={module.title}>
          {module.lessons.map((lesson) => (
            <option key={lesson.id} value={`lesson:${lesson.id}`}>
              {lesson.title}
            </option>
          ))}
          <option value={`new:${module.id}`}>A new lesson</option>
        </optgroup>
      ))}
    </select>
  );
}
