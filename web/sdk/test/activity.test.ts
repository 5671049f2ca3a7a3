import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { reportActivity } from '../src/activity';

describe('reportActivity', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('says at most once a minute that the device is used, and nothing while it is not', () => {
    const target = new EventTarget();
    const send = vi.fn(() => true);
    const stop = reportActivity({ send }, target);
    vi.advanceTimersByTime(600_000);
    expect(send).not.toHaveBeenCalled();
    for (let second = 0; second < 90; second += 1) {
      target.dispatchEvent(new Event('keydown'));
      vi.advanceTimersByTime(1_000);
    }
    expect(send.mock.calls).toEqual([['presence.active', {}], ['presence.active', {}]]);
    stop();
    vi.advanceTimersByTime(60_000);
    target.dispatchEvent(new Event('pointerdown'));
    expect(send).toHaveBeenCalledTimes(2);
  });

  it('says it again when there was no connection to say it over', () => {
    const target = new EventTarget();
    const send = vi.fn(() => false);
    reportActivity({ send }, target);
    target.dispatchEvent(new Event('wheel'));
    target.dispatchEvent(new Event('wheel'));
    expect(send).toHaveBeenCalledTimes(2);
  });
});
