/**
 * The service worker: keeps the app's own files so that it opens without a
 * network. Data and files of people are not its business; the SDK keeps those.
 */
/// <reference lib="webworker" />
export {};
declare const self: ServiceWorkerGlobalScope;
/** Names of the built files, written in by the build; they change when the content does. */
declare const SHELL: string[];
declare const BUILD: string;

const CACHE = `shell-${BUILD}`;

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(SHELL))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin || isServed(url.pathname)) return;
  if (request.mode === 'navigate') event.respondWith(page(request));
  else event.respondWith(asset(request));
});

/** What the server alone answers: REST, realtime, the portal, identity. */
function isServed(path: string): boolean {
  return /^\/(api|rt|portal|oauth2|\.well-known)(\/|$)/.test(path);
}

/** The newest page when there is a network, the kept one otherwise. */
async function page(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch {
    return (await caches.match('/')) ?? Response.error();
  }
}

/** Built files never change under their name. */
async function asset(request: Request): Promise<Response> {
  return (await caches.match(request)) ?? fetch(request);
}
