/**
 * One file to the server. XMLHttpRequest, because fetch cannot tell how much of a body has been sent.
 * Which files go up, and in which order, is decided in components/editor/upload-plan.ts.
 */
import { type Query, url } from './client';
import { parseProblem, unreachable } from './problem';
import { freshToken } from './session';
import type { Asset } from './types';

export interface Upload {
  courseId: string;
  file: File;
  title: string;
  /** The video or audio that these captions belong to. */
  captionsFor: string | null;
}

/** Rejects with a Problem, or with an AbortError when the signal says so. */
export function upload({ courseId, file, title, captionsFor }: Upload, onProgress: (sentBytes: number) => void, signal: AbortSignal): Promise<Asset> {
  return send('POST', `/courses/${courseId}/assets`, { file_name: file.name, title, captions_for: captionsFor }, file, onProgress, signal);
}

/** The answer to a request whose body is a file. Rejects as [upload] does. */
export async function send<T>(
  method: 'POST' | 'PUT',
  path: string,
  query: Query,
  file: File,
  onProgress: (sentBytes: number) => void,
  signal: AbortSignal,
): Promise<T> {
  const token = await freshToken();
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url(path, query));
    if (token !== null) request.setRequestHeader('authorization', `Bearer ${token}`);
    request.setRequestHeader('content-type', 'application/octet-stream');
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText) as T);
      else reject(parseProblem(request.status, request.responseText, request.getResponseHeader('x-request-id')));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException('the upload was cancelled', 'AbortError'));
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(file);
  });
}
