/** Other places where the same is taught. */
import { useQuery } from '@tanstack/react-query';
import { similarQuery } from '../api/assets';
import type { Asset } from '../api/types';
import { HitLink } from './hit';

/** Shows nothing at all when there is nothing, or when it cannot be had: it is an extra. */
export function Similar({ asset }: { asset: Asset }) {
  const { data: hits } = useQuery(similarQuery(asset.id));
  if (!hits || hits.length === 0) return null;
  return (
    <section className="similar">
      <h2>Taught elsewhere</h2>
      <ol className="hits">
        {hits.map((hit) => (
          <li key={hit.url}>
            <HitLink hit={hit} />
          </li>
        ))}
      </ol>
    </section>
  );
}
