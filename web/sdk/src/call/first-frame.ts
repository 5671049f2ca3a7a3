/** When the remote picture really came: from the accept to the first frame on the screen, in parts. */
import type { CallTimeline } from '../types';

const POLL_MS = 25;
/** A call whose picture takes longer is reported without it. */
const GIVE_UP_MS = 15_000;

/** Epoch ms with fractions, comparable between pages of one machine. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now();
}

export class FirstFrame {
  readonly timeline: CallTimeline = {};
  private element: HTMLVideoElement | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
  private callback: number | null = null;

  constructor(private readonly done: () => void) {}

  mark(name: keyof CallTimeline, at: number = preciseNow()): void {
    this.timeline[name] ??= at;
  }

  get milliseconds(): number | null {
    const { accepted, firstFrame } = this.timeline;
    return accepted === undefined || firstFrame === undefined ? null : Math.max(0, Math.round(firstFrame - accepted));
  }

  /** The element that shows the remote camera. */
  observe(element: HTMLVideoElement): () => void {
    this.unobserve();
    this.element = element;
    if (this.timeline.firstFrame === undefined && 'requestVideoFrameCallback' in element) {
      this.callback = element.requestVideoFrameCallback((now, frame) => this.handleFrame(now, frame));
    }
    return () => {
      if (this.element === element) this.unobserve();
    };
  }

  /** Watches the receiver too: a hidden page shows no frames, and the element does not tell of packets. */
  watch(receiver: () => RTCRtpReceiver | null): void {
    const until = performance.now() + GIVE_UP_MS;
    clearInterval(this.timer);
    this.timer = setInterval(() => {
      if (performance.now() > until || this.timeline.firstFrame !== undefined) clearInterval(this.timer);
      else void this.poll(receiver());
    }, POLL_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.unobserve();
  }

  private handleFrame(now: number, frame: VideoFrameCallbackMetadata): void {
    this.callback = null;
    if (frame.receiveTime !== undefined) this.mark('firstKeyframe', performance.timeOrigin + frame.receiveTime);
    this.finish(performance.timeOrigin + now);
  }

  private async poll(receiver: RTCRtpReceiver | null): Promise<void> {
    if (!receiver) return;
    const report = await receiver.getStats();
    report.forEach((entry: { type: string; packetsReceived?: number; framesDecoded?: number }) => {
      if (entry.type !== 'inbound-rtp') return;
      if ((entry.packetsReceived ?? 0) > 0) this.mark('firstPacket');
      // The element sees frames itself while the page is visible, and more exactly.
      const hidden = document.visibilityState === 'hidden' || !this.element;
      if (hidden && (entry.framesDecoded ?? 0) > 0) this.finish(preciseNow());
    });
  }

  private finish(at: number): void {
    if (this.timeline.firstFrame !== undefined) return;
    this.mark('firstFrame', at);
    const { firstPacket, firstKeyframe } = this.timeline;
    // The poll may see the first packet only after the whole frame came.
    if (firstKeyframe !== undefined && (firstPacket ?? Infinity) > firstKeyframe) this.timeline.firstPacket = firstKeyframe;
    this.stop();
    this.done();
  }

  private unobserve(): void {
    if (this.element && this.callback !== null) this.element.cancelVideoFrameCallback(this.callback);
    this.callback = null;
    this.element = null;
  }
}
