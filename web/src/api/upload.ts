/**
 * One file to the server. XMLHttpRequest, because fetch cannot tell how much of a body has been sent.
 * Which files go up, and in which order, is decided in components/editor/upload-plan.ts.
 */
import { url } from './client';
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
export async function upload(
  { courseId, file, title, captionsFor }: Upload,
  onProgress: (sentBytes: number) => void,
  signal: AbortSignal,
): Promise<Asset> {
  const token = await freshToken();
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url(`/courses/${courseId}/assets`, { file_name: file.name, title, captions_for: captionsFor }));
    if (token !== null) request.setRequestHeader('authorization', `Bearer ${token}`);
    request.setRequestHeader('content-type', 'application/octet-stream');
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      if (request.status === 201) resolve(JSON.parse(request.responseText) as Asset);
      else reject(parseProblem(request.status, request.responseText, request.getResponseHeader('x-request-id')));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException('the upload was cancelled', 'AbortError'));
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(file);
  });
}
