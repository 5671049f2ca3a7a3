/** Choices that stay in this browser. Storage may be forbidden: then they last for the page. */

const PREFIX = 'housecall.portal.';

export function readPreference(name: string): string | null {
  try {
    return window.localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function writePreference(name: string, value: string): void {
  try {
    window.localStorage.setItem(PREFIX + name, value);
  } catch {
    // A private window without storage: the choice lives until the page is closed.
  }
}
