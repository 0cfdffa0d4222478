/** The sources of an asset: the one that is shown, one on its way, and the earlier ones, which can be restored. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { assetQuery } from '../../api/assets';
import { sentence } from '../../api/problem';
import type { Asset, Version } from '../../api/types';
import { deleteVersion, replaceSource, restoreVersion, versionsQuery } from '../../api/versions';
import { duration, fileSize, moment, plural } from '../../words';
import { Icon } from '../icon';
import { ProblemNotice } from '../problem-notice';
import { ProgressBar } from '../progress-bar';
import { StageList } from '../stage-list';
import { Loading } from '../states';
import { useWarning } from './use-warning';

export function Versions({ asset }: { asset: Asset }) {
  const queries = useQueryClient();
  const { data: versions, error, refetch } = useQuery(versionsQuery(asset.id));
  const shown = versions?.find((version) => version.shown)?.number;
  const before = useRef(shown);
  useEffect(() => {
    // another one is shown now: everything that was read of the asset is of the one before
    if (before.current !== undefined && shown !== undefined && before.current !== shown) {
      void queries.invalidateQueries({ queryKey: ['asset', asset.id] });
      void queries.invalidateQueries({ queryKey: ['course', asset.course_id] });
    }
    before.current = shown;
  }, [shown, asset.id, asset.course_id, queries]);
  if (error) return <ProblemNotice problem={error} onRetry={() => void refetch()} />;
  if (!versions) return <Loading what="the versions" />;
  return (
    <section className="versions" aria-label="Versions">
      <Replace asset={asset} onSent={() => void refetch()} />
      <ol className="version-rows">
        {versions.map((version) => (
          <VersionRow key={version.number} asset={asset} version={version} onChange={() => void refetch()} />
        ))}
      </ol>
    </section>
  );
}

function Replace({ asset, onSent }: { asset: Asset; onSent(): void }) {
  const input = useRef<HTMLInputElement>(null);
  const [sent, setSent] = useState(0);
  const stop = useRef<AbortController | null>(null);
  const sending = useMutation({
    mutationFn: (file: File) => {
      stop.current = new AbortController();
      setSent(0);
      return replaceSource(asset.id, file, setSent, stop.current.signal);
    },
    onSuccess: onSent,
  });
  useWarning(sending.isPending);
  const file = sending.isPending ? sending.variables : null;
  const cancelled = sending.error instanceof DOMException;
  return (
    <div className="replace">
      <p className="fine">
        Learners see the present file until all of the new one is ready. The address, the lessons, what learners have completed and
        where they stopped stay.
        {(asset.kind === 'video' || asset.kind === 'audio') &&
          ' So do captions and chapters, if the new recording is as long; otherwise they are kept with the recording that they were made for.'}
      </p>
      {file ? (
        <div className="row spread">
          <ProgressBar slim label={`Sending ${file.name}`} done={sent} total={file.size} />
          <button type="button" className="button quiet" onClick={() => stop.current?.abort()}>
            Cancel
          </button>
        </div>
      ) : (
        <button type="button" className="button primary" onClick={() => input.current!.click()}>
          <Icon name="upload" size={16} /> Replace the file
        </button>
      )}
      <input
        ref={input}
        type="file"
        hidden
        aria-label="The new file"
        data-testid="replacement"
        onChange={(event) => {
          const chosen = event.target.files?.[0];
          event.target.value = ''; // so that the same file can be chosen again
          if (chosen) sending.mutate(chosen);
        }}
      />
      {sending.error && !cancelled && <ProblemNotice problem={sending.error} />}
    </div>
  );
}

function VersionRow({ asset, version, onChange }: { asset: Asset; version: Version; onChange(): void }) {
  const restoring = useMutation({ mutationFn: () => restoreVersion(asset.id, version.number), onSuccess: onChange });
  const deleting = useMutation({ mutationFn: () => deleteVersion(asset.id, version.number), onSuccess: onChange });
  const busy = restoring.isPending || deleting.isPending;
  const problem = restoring.error ?? deleting.error;
  return (
    <li className="version" data-version={version.number} data-state={isSeen(version) ? 'shown' : version.state}>
      <div className="row spread">
        <span className="version-name">
          <strong>{version.file_name}</strong>
          <span className="fine">
            Version {version.number} · {facts(version)} · {version.uploaded_by}, {moment(version.uploaded_at)}
          </span>
        </span>
        <span className={`badge ${version.state}`}>{stateWord(version)}</span>
        {!version.shown && version.state !== 'processing' && (
          <button type="button" className="button" disabled={busy} onClick={() => restoring.mutate()}>
            {version.state === 'failed' ? 'Try again' : 'Restore'}
          </button>
        )}
        {!version.shown && (
          <button
            type="button"
            className="button icon-only"
            aria-label={version.state === 'processing' ? `Call off version ${version.number}` : `Delete version ${version.number}`}
            title={version.state === 'processing' ? 'Call off' : 'Delete'}
            disabled={busy}
            onClick={() => deleting.mutate()}
          >
            <Icon name={version.state === 'processing' ? 'cross' : 'trash'} size={16} />
          </button>
        )}
      </div>
      {version.failure && <p className="notice">{sentence(version.failure.reason)}</p>}
      {version.state === 'processing' && !version.shown && <Stages id={version.asset_id} />}
      {problem && <ProblemNotice problem={problem} />}
    </li>
  );
}

/** How far the work on a version is. */
function Stages({ id }: { id: string }) {
  const { data } = useQuery({ ...assetQuery(id), refetchInterval: 1500 });
  return data?.stages?.length ? <StageList stages={data.stages} /> : null;
}

function facts(version: Version): string {
  const parts = [fileSize(version.bytes)];
  if (version.duration_ms != null) parts.push(duration(version.duration_ms));
  if (version.pages != null) parts.push(plural(version.pages, 'page'));
  return parts.join(' · ');
}

const isSeen = (version: Version) => version.shown && version.state === 'published';

function stateWord(version: Version): string {
  if (isSeen(version)) return 'shown';
  if (version.state === 'processing') return version.wanted ? 'on its way' : 'processing';
  return version.state === 'kept' ? 'earlier' : version.state;
}
