/** One upload with progress. `fetch` cannot report the progress of a request body, so this is XMLHttpRequest. */
import type { FileView } from '../generated/realtime';
import type { Problem } from '../rest-types';
import { ApiError } from './errors';

export interface UploadOptions {
  onProgress?: ((share: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export function upload(url: string, token: string, bytes: Blob, options: UploadOptions): Promise<FileView> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    request.setRequestHeader('authorization', `Bearer ${token}`);
    request.setRequestHeader('content-type', 'application/octet-stream');
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) options.onProgress?.(event.loaded / event.total);
    };
    request.onload = () => {
      const body = parse(request.responseText);
      if (request.status >= 200 && request.status < 300 && body) resolve(body as FileView);
      else reject(new ApiError(request.status, body as Problem | null));
    };
    request.onerror = () => reject(new ApiError(0, null));
    request.onabort = () => reject(new DOMException('aborted', 'AbortError'));
    options.signal?.addEventListener('abort', () => request.abort(), { once: true });
    request.send(bytes);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
