/** Which picture out of a video stands for it before it plays, and on cards. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { choosePoster, postersQuery } from '../../api/editing';
import type { Asset } from '../../api/types';
import { ProblemNotice } from '../problem-notice';
import { Loading } from '../states';

export function PosterChooser({ asset }: { asset: Asset }) {
  const queries = useQueryClient();
  const { data: posters, error, refetch } = useQuery(postersQuery(asset.id));
  const choosing = useMutation({
    mutationFn: (file: string) => choosePoster(asset.id, file),
    onSuccess: (list) => {
      queries.setQueryData(postersQuery(asset.id).queryKey, list);
      void queries.invalidateQueries({ queryKey: ['asset', asset.id], exact: true });
      void queries.invalidateQueries({ queryKey: ['course', asset.course_id] });
    },
  });
  if (error) return <ProblemNotice problem={error} onRetry={() => void refetch()} />;
  if (!posters) return <Loading what="the pictures" />;
  return (
    <section className="poster-chooser" aria-label="Picture">
      <fieldset disabled={choosing.isPending}>
        <legend className="fine">
          {posters.length > 1 ? 'Learners see this picture before the video plays. What you choose counts at once.' : 'This video has one picture, made from a good moment of it.'}
        </legend>
        <div className="posters">
          {posters.map((poster, index) => (
            <label key={poster.file} className="poster">
              <input type="radio" name="poster" checked={poster.chosen} onChange={() => choosing.mutate(poster.file)} />
              <img src={poster.url} alt={`Picture ${index + 1}`} />
            </label>
          ))}
        </div>
      </fieldset>
      {choosing.error && <ProblemNotice problem={choosing.error} />}
    </section>
  );
}
