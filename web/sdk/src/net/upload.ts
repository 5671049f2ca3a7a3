/** One upload that survives a lost connection, over tus: it goes on where the house has lost it. */
import { DetailedError, Upload } from 'tus-js-client';

import type { FileId } from '../generated/realtime';
import type { Problem } from '../rest-types';
import { ApiError } from './errors';

export interface UploadOptions {
  onProgress?: ((share: number) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Where an earlier try of the same bytes got its upload, if it did. */
  address?: string | undefined;
  /** To be kept for the next try, which may be after a restart. */
  onAddress?: ((address: string) => void) | undefined;
}

interface Destination {
  endpoint: string;
  name: string;
  token: () => Promise<string>;
}

/** Tries within one call; what waits longer is for the outbox. */
const RETRY_DELAYS_MS = [300, 1_000, 3_000];
/** Larger files are sent without a digest: it needs all bytes in memory at once. */
const MAX_DIGEST_BYTES = 64 * 1024 * 1024;
const MAX_ONE_REQUEST_BYTES = 128 * 1024;
const LOCKED = 423;

export async function upload(bytes: Blob, to: Destination, options: UploadOptions): Promise<FileId> {
  const metadata: Record<string, string> = { name: to.name };
  const digest = await sha256(bytes);
  if (digest) metadata['sha256'] = digest;
  const address = await run(bytes, metadata, to, options);
  return address.slice(address.lastIndexOf('/') + 1);
}

function run(bytes: Blob, metadata: Record<string, string>, to: Destination, options: UploadOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const running = new Upload(bytes, {
      endpoint: new URL(to.endpoint, location.origin).href,
      ...(options.address ? { uploadUrl: options.address } : {}),
      metadata,
      // A small file takes one request. A larger one must know its address before its
      // first byte leaves: without an address there is nothing to go on with.
      uploadDataDuringCreation: bytes.size <= MAX_ONE_REQUEST_BYTES,
      storeFingerprintForResuming: false,
      retryDelays: RETRY_DELAYS_MS,
      onBeforeRequest: async (request) => request.setHeader('authorization', `Bearer ${await to.token()}`),
      onShouldRetry: (error) => isTemporary(error),
      onUploadUrlAvailable: () => {
        if (running.url) options.onAddress?.(running.url);
      },
      onProgress: (sent, total) => options.onProgress?.(total === 0 ? 1 : sent / total),
      onSuccess: () => resolve(running.url ?? ''),
      onError: (error) => reject(asApiError(error)),
    });
    const abort = () => {
      void running.abort();
      reject(new DOMException('aborted', 'AbortError'));
    };
    if (options.signal?.aborted) return abort();
    options.signal?.addEventListener('abort', abort, { once: true });
    running.start();
  });
}

function isTemporary(error: Error): boolean {
  const status = error instanceof DetailedError ? (error.originalResponse?.getStatus() ?? 0) : 0;
  return status === 0 || status === LOCKED || status === 409 || status >= 500;
}

function asApiError(error: Error): ApiError {
  const answer = error instanceof DetailedError ? error.originalResponse : null;
  if (!answer) return new ApiError(0, null);
  return new ApiError(answer.getStatus(), parse(answer.getBody()));
}

function parse(text: string): Problem | null {
  try {
    return JSON.parse(text) as Problem;
  } catch {
    return null;
  }
}

/** Absent where the page is not on a secure origin, and for files that are too large. */
async function sha256(bytes: Blob): Promise<string | null> {
  if (!globalThis.crypto?.subtle || bytes.size > MAX_DIGEST_BYTES) return null;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await bytes.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
