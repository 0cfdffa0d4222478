/** Which picture stands for a video before it plays, and on cards: one out of it, or one of the instructor's own. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef } from 'react';
import { choosePoster, postersQuery, uploadPoster } from '../../api/editing';
import type { Asset } from '../../api/types';
import { Icon } from '../icon';
import { ProblemNotice } from '../problem-notice';
import { Loading } from '../states';

export function PosterChooser({ asset }: { asset: Asset }) {
  const queries = useQueryClient();
  const { data: posters, error, refetch } = useQuery(postersQuery(asset.id));
  const input = useRef<HTMLInputElement>(null);
  const chosen = () => {
    void queries.invalidateQueries({ queryKey: ['asset', asset.id], exact: true });
    void queries.invalidateQueries({ queryKey: ['course', asset.course_id] });
  };
  const choosing = useMutation({
    mutationFn: (file: string) => choosePoster(asset.id, file),
    onSuccess: (list) => {
      queries.setQueryData(postersQuery(asset.id).queryKey, list);
      chosen();
    },
  });
  const uploading = useMutation({
    mutationFn: (file: File) => uploadPoster(asset.id, file),
    onSuccess: async () => {
      await refetch();
      chosen();
    },
  });
  if (error) return <ProblemNotice problem={error} onRetry={() => void refetch()} />;
  if (!posters) return <Loading what="the pictures" />;
  return (
    <section className="poster-chooser" aria-label="Picture">
      <fieldset disabled={choosing.isPending || uploading.isPending}>
        <legend className="fine">
          {posters.length > 1 ? 'Learners see this picture before the video plays. What you choose counts at once.' : 'This video has one picture, made from a good moment of it.'}
        </legend>
        <div className="posters">
          {posters.map((poster, index) => (
            <label key={poster.file} className="poster">
              <input type="radio" name="poster" checked={poster.chosen} onChange={() => choosing.mutate(poster.file)} />
              <img src={poster.url} alt={poster.file === 'uploaded.jpg' ? 'Your own picture' : `Picture ${index + 1}`} />
            </label>
          ))}
        </div>
      </fieldset>
      <p className="actions">
        <button type="button" className="button" disabled={uploading.isPending} onClick={() => input.current!.click()}>
          <Icon name="upload" size={16} /> {uploading.isPending ? 'Sending …' : 'Use a picture of your own'}
        </button>
        <span className="fine">JPEG, PNG or WebP, best 1280 × 720 or larger</span>
        <input
          ref={input}
          type="file"
          hidden
          accept="image/jpeg,image/png,image/webp"
          aria-label="A picture of your own"
          data-testid="picture"
          onChange={(event) => {
            const file = event.target.files?.[0];
            event.target.value = ''; // so that the same file can be chosen again
            if (file) uploading.mutate(file);
          }}
        />
      </p>
      {uploading.error && <ProblemNotice problem={uploading.error} />}
      {choosing.error && <ProblemNotice problem={choosing.error} />}
    </section>
  );
}
