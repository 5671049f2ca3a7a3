/** Whether news make a sound, and whether the browser may show them. */
import { useSyncExternalStore } from 'react';

import { readPreference, writePreference } from '../app/preferences';

const listeners = new Set<() => void>();
let sound = readPreference('sound') !== 'off';

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function changed(): void {
  listeners.forEach((notify) => notify());
}

export function soundIsOn(): boolean {
  return sound;
}

export function useSound(): [boolean, (on: boolean) => void] {
  const on = useSyncExternalStore(subscribe, soundIsOn);
  return [on, (next) => {
    sound = next;
    writePreference('sound', next ? 'on' : 'off');
    changed();
  }];
}

function permission(): NotificationPermission {
  return typeof Notification === 'undefined' ? 'denied' : Notification.permission;
}

export function usePermission(): [NotificationPermission, () => void] {
  const state = useSyncExternalStore(subscribe, permission);
  return [state, () => {
    if (permission() === 'default') void Notification.requestPermission().then(changed);
  }];
}

/** A notice of the browser, only when nobody looks at the page. */
export function showNotice(title: string, body: string, open: () => void): void {
  if (document.hasFocus() || permission() !== 'granted') return;
  try {
    const notice = new Notification(title, { body, tag: `${title} ${body}`, icon: '/portal/icon.svg' });
    notice.onclick = () => {
      window.focus();
      open();
      notice.close();
    };
  } catch {
    // Mobile browsers refuse the constructor; the sound and the title remain.
  }
}
