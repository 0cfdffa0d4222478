/** Files to the course: by button, by dropping them anywhere on the page, by pasting. */
import { useEffect, useRef, useState } from 'react';
import { fileSize } from '../../words';
import { Icon } from '../icon';
import { ProblemNotice } from '../problem-notice';
import { ProgressBar } from '../progress-bar';
import { filesOf } from './dropped-files';
import type { UploadItem } from './uploads';
import { useUploads } from './use-uploads';

export function Uploader({ courseId }: { courseId: string }) {
  const { items, uploads } = useUploads(courseId);
  const add = (files: File[]) => uploads.add(courseId, files);
  const input = useRef<HTMLInputElement>(null);
  const over = useDropsAndPastes(add);
  return (
    <section className="uploader" aria-labelledby="upload-title">
      <div className={`drop${over ? ' over' : ''}`}>
        <Icon name="upload" size={28} />
        <div>
          <h2 id="upload-title">Add material</h2>
          <p className="fine">Drop or paste videos, recordings, PDFs, notes, web pages and captions here, or whole folders of them.</p>
        </div>
        <button type="button" className="button primary" onClick={() => input.current!.click()}>
          Choose files
        </button>
        <input
          ref={input}
          type="file"
          multiple
          hidden
          aria-label="Files to upload"
          data-testid="files"
          onChange={(event) => {
            add([...(event.target.files ?? [])]);
            event.target.value = ''; // so that the same file can be chosen again
          }}
        />
      </div>
      {items.length > 0 && (
        <ul className="uploads" aria-label="Uploads">
          {items.map((item) => (
            <UploadRow key={item.key} item={item} onRetry={() => uploads.retry(item.key)} onDrop={() => uploads.drop(item.key)} />
          ))}
        </ul>
      )}
    </section>
  );
}

function UploadRow({ item, onRetry, onDrop }: { item: UploadItem; onRetry: () => void; onDrop: () => void }) {
  const { file, state, sent, problem } = item;
  return (
    <li className="upload">
      <div className="row spread">
        <span className="upload-name">{file.name}</span>
        <span className="fine">{state === 'sending' ? speedOf(item) : fileSize(file.size)}</span>
        {state === 'failed' && file.size > 0 && (
          <button type="button" className="button quiet" onClick={onRetry}>
            Try again
          </button>
        )}
        <button type="button" className="button icon-only" aria-label={`${state === 'failed' ? 'Forget' : 'Cancel'} ${file.name}`} onClick={onDrop}>
          <Icon name="cross" size={16} />
        </button>
      </div>
      {state === 'waiting' && <p className="fine">Waiting for its turn</p>}
      {state === 'sending' && <ProgressBar slim label={`Sending ${file.name}`} done={sent} total={file.size} />}
      {problem && <ProblemNotice problem={problem} />}
    </li>
  );
}

function speedOf({ file, sent, startedAt }: UploadItem): string {
  if (sent >= file.size) return 'Checking what was sent …';
  const seconds = (performance.now() - startedAt) / 1000;
  const speed = seconds > 0.5 && sent > 0 ? sent / seconds : 0;
  const words = `${fileSize(sent)} of ${fileSize(file.size)}`;
  if (speed === 0) return words;
  return `${words} · ${fileSize(Math.round(speed))}/s · ${Math.ceil((file.size - sent) / speed)} s left`;
}

/** True while files are held over the page. A file that misses a small target would otherwise replace the page. */
function useDropsAndPastes(add: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(add);
  latest.current = add;
  useEffect(() => {
    const stop = new AbortController();
    const on = <K extends keyof WindowEventMap>(name: K, listener: (event: WindowEventMap[K]) => void) =>
      window.addEventListener(name, listener, { signal: stop.signal });
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    on('dragover', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    });
    on('dragleave', (event) => event.relatedTarget === null && setOver(false));
    on('drop', (event) => {
      setOver(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      void filesOf(event.dataTransfer!).then((files) => latest.current(files));
    });
    on('paste', (event) => {
      if (event.clipboardData?.types.includes('Files')) void filesOf(event.clipboardData).then((files) => latest.current(files));
    });
    return () => stop.abort();
  }, []);
  return over;
}
