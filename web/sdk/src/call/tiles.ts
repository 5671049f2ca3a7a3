/**
 * How large the pictures of others are shown, in device pixels, told to the relay: it
 * chooses the layer by it, and sends nothing that is off the screen.
 */
import type { MediaSlot, Tile, TrackSource } from '../generated/realtime';

/** Between two reports: a window that is being dragged changes sizes with every frame. */
const REPORT_INTERVAL_MS = 300;
/** A u16 on the wire. */
const MAX_PIXELS = 65_535;

export interface ShownTrack {
  person: string;
  source: TrackSource;
}

interface Shown extends ShownTrack {
  width: number;
  height: number;
  visible: boolean;
}

export class Tiles {
  private readonly shown = new Map<Element, Shown>();
  private slots: readonly MediaSlot[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private lastSent = '[]';
  private sentAt = -Infinity;
  private adopted = false;
  private readonly sizes: ResizeObserver | null;
  private readonly sights: IntersectionObserver | null;
  private readonly onVisibility = () => this.changed();
  private readonly onShape = () => this.changed();

  constructor(private readonly send: (tiles: Tile[]) => boolean) {
    this.sizes = 'ResizeObserver' in globalThis ? new ResizeObserver((entries) => this.resized(entries)) : null;
    this.sights = 'IntersectionObserver' in globalThis ? new IntersectionObserver((entries) => this.sighted(entries)) : null;
    globalThis.document?.addEventListener('visibilitychange', this.onVisibility);
  }

  /** The element shows this track, until the returned function is called. */
  show(element: Element, { person, source }: ShownTrack): () => void {
    this.adopted = true;
    const { width, height } = element.getBoundingClientRect();
    this.shown.set(element, { person, source, width, height, visible: true });
    this.sizes?.observe(element);
    this.sights?.observe(element);
    // A video that learns or changes its picture's shape.
    element.addEventListener('resize', this.onShape);
    this.changed();
    return () => {
      this.sizes?.unobserve(element);
      this.sights?.unobserve(element);
      element.removeEventListener('resize', this.onShape);
      this.shown.delete(element);
      this.changed();
    };
  }

  setSlots(slots: readonly MediaSlot[]): void {
    this.slots = slots;
    this.changed();
  }

  /** Once more: the relay of a new peer connection knows nothing yet. */
  repeat(): void {
    this.lastSent = '[]';
    this.changed();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.sizes?.disconnect();
    this.sights?.disconnect();
    globalThis.document?.removeEventListener('visibilitychange', this.onVisibility);
  }

  /** Of each slot that carries a picture, the largest place where it is shown. */
  private tiles(): Tile[] {
    const ratio = globalThis.devicePixelRatio || 1;
    const hidden = globalThis.document?.visibilityState === 'hidden';
    return this.slots
      .filter((slot) => slot.person !== null && slot.source !== null && slot.source !== 'microphone')
      .map(({ mid, person, source }) => {
        const places = [...this.shown.entries()]
          .filter(([, one]) => one.visible && one.person === person && one.source === source)
          .map(([element, one]) => pictureSize(element, one));
        const largest = places.reduce((a, b) => (b.width * b.height > a.width * a.height ? b : a), { width: 0, height: 0 });
        const pixels = (length: number) => (hidden ? 0 : Math.min(MAX_PIXELS, Math.round(length * ratio)));
        return { mid, width: pixels(largest.width), height: pixels(largest.height) };
      });
  }

  private resized(entries: readonly ResizeObserverEntry[]): void {
    for (const { target, contentRect } of entries) {
      const one = this.shown.get(target);
      if (one) Object.assign(one, { width: contentRect.width, height: contentRect.height });
    }
    this.changed();
  }

  private sighted(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const one = this.shown.get(target);
      if (one) one.visible = isIntersecting;
    }
    this.changed();
  }

  /** An interface that shows nothing by this means is no reason to pause everything. */
  private changed(): void {
    if (!this.adopted || this.timer !== undefined) return;
    const wait = Math.max(0, this.sentAt + REPORT_INTERVAL_MS - performance.now());
    this.timer = setTimeout(() => this.report(), wait);
  }

  private report(): void {
    this.timer = undefined;
    const tiles = this.tiles();
    const text = JSON.stringify(tiles);
    if (tiles.length === 0 || text === this.lastSent) return;
    this.sentAt = performance.now();
    if (this.send(tiles)) this.lastSent = text;
  }
}

interface Size {
  width: number;
  height: number;
}

/**
 * How large the whole picture is drawn. One that covers its place is cut at two sides,
 * and is drawn larger than the place: a wide picture on an upright phone much larger.
 */
function pictureSize(element: Element, { width, height }: Size): Size {
  const { videoWidth = 0, videoHeight = 0 } = element as Partial<HTMLVideoElement>;
  if (videoWidth === 0 || videoHeight === 0 || getComputedStyle(element).objectFit !== 'cover') return { width, height };
  const scale = Math.max(width / videoWidth, height / videoHeight);
  return { width: videoWidth * scale, height: videoHeight * scale };
}
