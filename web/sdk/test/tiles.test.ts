import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Tiles } from '../src/call/tiles';
import type { Tile } from '../src/generated/realtime';
import { DOCTOR, PATIENT, slot } from './call-views';

/** Elements whose size and visibility the test decides. */
class Screen {
  private readonly resize = new Set<(entries: object[]) => void>();
  private readonly sight = new Set<(entries: object[]) => void>();

  install(): void {
    const observer = (listeners: Set<(entries: object[]) => void>) =>
      class {
        constructor(listener: (entries: object[]) => void) {
          listeners.add(listener);
        }
        observe(): void {}
        unobserve(): void {}
        disconnect(): void {}
      };
    vi.stubGlobal('ResizeObserver', observer(this.resize));
    vi.stubGlobal('IntersectionObserver', observer(this.sight));
    vi.stubGlobal('devicePixelRatio', 2);
  }

  element(width: number, height: number): Element {
    return Object.assign(new EventTarget(), { getBoundingClientRect: () => ({ width, height }) }) as unknown as Element;
  }

  /** A video of a picture of this shape, fitted into its place as the style says. */
  video(place: [number, number], [videoWidth, videoHeight]: [number, number], objectFit: string): Element {
    vi.stubGlobal('getComputedStyle', () => ({ objectFit }));
    return Object.assign(this.element(...place), { videoWidth, videoHeight });
  }

  resizes(target: Element, width: number, height: number): void {
    for (const listener of this.resize) listener([{ target, contentRect: { width, height } }]);
  }

  scrolls(target: Element, isIntersecting: boolean): void {
    for (const listener of this.sight) listener([{ target, isIntersecting }]);
  }
}

describe('tiles', () => {
  const screen = new Screen();
  const sent: Tile[][] = [];
  let online = true;
  const tiles = () => new Tiles((now) => {
    if (online) sent.push(now);
    return online;
  });

  beforeEach(() => {
    vi.useFakeTimers();
    screen.install();
    sent.length = 0;
    online = true;
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('are told in device pixels, by the largest place of a track', () => {
    const shown = tiles();
    shown.setSlots([slot('0', DOCTOR, 'microphone'), slot('1', DOCTOR, 'camera'), slot('2', PATIENT, 'camera'), slot('3', null, null)]);
    shown.show(screen.element(100, 50), { person: DOCTOR, source: 'camera' });
    shown.show(screen.element(320, 180), { person: DOCTOR, source: 'camera' });
    vi.runAllTimers();
    expect(sent).toEqual([[{ mid: '1', width: 640, height: 360 }, { mid: '2', width: 0, height: 0 }]]);
  });

  it('are as large as the whole picture where it covers its place', () => {
    for (const [fit, size] of [['cover', { width: 3_001, height: 1_688 }], ['contain', { width: 780, height: 1_688 }]] as const) {
      const shown = tiles();
      shown.setSlots([slot('1', DOCTOR, 'camera')]);
      const hide = shown.show(screen.video([390, 844], [1280, 720], fit), { person: DOCTOR, source: 'camera' });
      vi.runAllTimers();
      expect(sent.at(-1)).toEqual([{ mid: '1', ...size }]);
      hide();
      shown.setSlots([]);
    }
  });

  it('are told again when they change, not with every frame of a drag', () => {
    const shown = tiles();
    const element = screen.element(320, 180);
    shown.setSlots([slot('1', DOCTOR, 'camera')]);
    const hide = shown.show(element, { person: DOCTOR, source: 'camera' });
    vi.runAllTimers();
    for (let width = 320; width > 220; width -= 1) {
      screen.resizes(element, width, 180);
      vi.advanceTimersByTime(10);
    }
    vi.runAllTimers();
    expect(sent.length).toBeLessThanOrEqual(6);
    expect(sent.at(-1)).toEqual([{ mid: '1', width: 442, height: 360 }]);
    screen.scrolls(element, false);
    vi.runAllTimers();
    expect(sent.at(-1)).toEqual([{ mid: '1', width: 0, height: 0 }]);
    screen.scrolls(element, true);
    vi.runAllTimers();
    const told = sent.length;
    screen.resizes(element, 221, 180);
    vi.runAllTimers();
    expect(sent).toHaveLength(told);
    hide();
    vi.runAllTimers();
    expect(sent.at(-1)).toEqual([{ mid: '1', width: 0, height: 0 }]);
  });

  it('are told once more to a new relay, and when there was no connection', () => {
    const shown = tiles();
    online = false;
    shown.setSlots([slot('1', DOCTOR, 'camera')]);
    shown.show(screen.element(320, 180), { person: DOCTOR, source: 'camera' });
    vi.runAllTimers();
    expect(sent).toEqual([]);
    online = true;
    shown.repeat();
    vi.runAllTimers();
    shown.repeat();
    vi.runAllTimers();
    expect(sent).toHaveLength(2);
  });

  it('are nobody\'s business while no interface shows any', () => {
    tiles().setSlots([slot('1', DOCTOR, 'camera')]);
    vi.runAllTimers();
    expect(sent).toEqual([]);
  });
});
