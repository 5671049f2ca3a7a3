/** Delays between attempts: exponential with full jitter, so that clients of a restarted server spread out. */
export interface BackoffOptions {
  baseMs: number;
  capMs: number;
  random?: () => number;
}

export class Backoff {
  private failures = 0;

  constructor(private readonly options: BackoffOptions) {}

  /** The next delay, ms. Never zero, so that a refusing server is not hammered. */
  next(): number {
    const { baseMs, capMs, random = Math.random } = this.options;
    const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(this.failures, 16));
    this.failures += 1;
    return Math.max(50, Math.round(random() * ceiling));
  }

  reset(): void {
    this.failures = 0;
  }
}
