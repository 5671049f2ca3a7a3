import { describe, expect, it } from 'vitest';

import { activeRids, cameraEncodings, Encodings, RIDS } from '../src/call/encodings';

describe('the layers of a camera', () => {
  it('are sent until the relay has said which are watched', () => {
    expect(activeRids(null, 720)).toEqual(['q', 'h', 'f']);
    expect(activeRids(['h'], 720)).toEqual(['h']);
    expect(activeRids(['f', 'q'], 720)).toEqual(['q', 'f']);
    expect(activeRids([], 720)).toEqual([]);
  });

  it('are fewer for a small camera, and the nearest stands in for those that are missing', () => {
    expect(activeRids(null, 360)).toEqual(['h', 'f']);
    expect(activeRids(['q'], 360)).toEqual(['h']);
    expect(activeRids(['q', 'h'], 180)).toEqual(['f']);
    expect(activeRids(null, 90)).toEqual(['f']);
  });

  it('are named and sized as the relay expects', () => {
    expect(cameraEncodings().map(({ rid }) => rid)).toEqual([...RIDS]);
    expect(cameraEncodings().map((encoding) => encoding.scaleResolutionDownBy)).toEqual([4, 2, 1]);
  });
});

/** A sender as browsers make it: parameters may only be set from the last reading of them. */
function sender(encodings: RTCRtpEncodingParameters[], height: number) {
  let current = { encodings, transactionId: '0' } as unknown as RTCRtpSendParameters;
  let reads = 0;
  const changes: boolean[][] = [];
  return {
    changes,
    track: { getSettings: () => ({ height }) },
    getParameters: () => structuredClone({ ...current, transactionId: String((reads += 1)) }),
    setParameters: async (next: RTCRtpSendParameters) => {
      if (next.transactionId !== String(reads)) throw new DOMException('stale', 'InvalidStateError');
      current = next;
      changes.push(next.encodings.map(({ active }) => active !== false));
    },
    get encodings() {
      return current.encodings;
    },
  };
}

describe('a sender', () => {
  const of = (fake: ReturnType<typeof sender>, source: 'camera' | 'screen') =>
    new Encodings(fake as unknown as RTCRtpSender, source);

  it('follows what is watched, one change after another', async () => {
    const fake = sender(cameraEncodings(), 720);
    const camera = of(fake, 'camera');
    await Promise.all([camera.want(['q']), camera.want(['q', 'f']), camera.want([])]);
    expect(fake.changes.at(-1)).toEqual([false, false, false]);
    await camera.want(['q', 'f']);
    expect(fake.changes.at(-1)).toEqual([true, false, true]);
    const changed = fake.changes.length;
    await camera.apply();
    expect(fake.changes).toHaveLength(changed);
  });

  it('sends the whole picture where the answer took one encoding alone', async () => {
    const fake = sender(cameraEncodings().slice(0, 1), 720);
    await of(fake, 'camera').apply();
    expect(fake.encodings[0]).toMatchObject({ scaleResolutionDownBy: 1, maxBitrate: 1_700_000, active: true });
  });

  it('keeps the pixels of a screen, and stops when nobody looks', async () => {
    const fake = sender([{ active: true }], 1080);
    const screen = of(fake, 'screen');
    await screen.apply();
    expect(fake.encodings[0]).toMatchObject({ maxFramerate: 15, active: true });
    await screen.want([]);
    expect(fake.encodings[0]?.active).toBe(false);
  });

  it('waits for the first negotiation', async () => {
    const fake = sender([], 720);
    await of(fake, 'camera').want(['q']);
    expect(fake.changes).toEqual([]);
  });
});
