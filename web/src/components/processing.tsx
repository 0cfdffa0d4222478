/** In the place of the film or the document while it is not ready yet; an editor sees how far it is. */
import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { assetQuery, watchAsset } from '../api/assets';
import type { Asset } from '../api/types';
import { AssetStatus } from './asset-status';

export function Processing({ asset }: { asset: Asset }) {
  const queries = useQueryClient();
  useEffect(() => {
    if (asset.state !== 'processing') return;
    const stop = new AbortController();
    // when the stream breaks, the page stays as it was until it is loaded again
    watchAsset(asset.id, (news) => queries.setQueryData(assetQuery(asset.id).queryKey, news), stop.signal).catch(() => undefined);
    return () => stop.abort();
  }, [asset.id, asset.state, queries]);
  return (
    <div className="page">
      <h1>{asset.title}</h1>
      <p className="lead">{asset.state === 'failed' ? 'This upload failed.' : 'This is being prepared. It opens here as soon as it is ready.'}</p>
      <AssetStatus asset={asset} />
    </div>
  );
}
