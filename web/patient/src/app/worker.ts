/** The service worker keeps the app's own files, so that it opens without a network. */
export function registerWorker(): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  globalThis.addEventListener('load', () => {
    navigator.serviceWorker.register('/sw.js').catch(() => {
      // Private windows refuse it; the app then needs the network to open.
    });
  });
}
