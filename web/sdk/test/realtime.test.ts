import { beforeEach, describe, expect, it, vi } from 'vitest';

import { CLOSE } from '../src/realtime';
import { connect, House, until } from './house';

let house: House;

beforeEach(() => {
  house = new House();
  vi.spyOn(Math, 'random').mockReturnValue(0);
});

describe('Realtime', () => {
  it('greets with the token and knows the server clock', async () => {
    const { realtime } = await connect(house);
    await until(realtime, () => realtime.online);
    const hello = house.received[0];
    expect(hello?.type).toBe('hello');
    expect(hello?.data['protocol']).toBe(1);
    expect(hello?.data['token']).toContain('token-of-');
    expect(realtime.serverNow() - Date.now()).toBeGreaterThan(4_000);
  });

  it('rejects requests of a lost connection and connects again', async () => {
    const { realtime } = await connect(house);
    await until(realtime, () => realtime.online);
    house.silent.add('ping');
    const asked = realtime.request('ping', {});
    house.socket.lose();
    await expect(asked).rejects.toMatchObject({ code: 'disconnected' });
    await until(realtime, () => realtime.online);
    expect(house.sockets).toHaveLength(2);
  });

  it('gives up on an answer after its time', async () => {
    const { realtime } = await connect(house);
    await until(realtime, () => realtime.online);
    house.silent.add('ping');
    await expect(realtime.request('ping', {}, { timeoutMs: 10 })).rejects.toMatchObject({ code: 'timeout' });
  });

  it('turns an error frame into a typed error', async () => {
    const { realtime } = await connect(house);
    await until(realtime, () => realtime.online);
    house.refusals.set('ping', [{ code: 'rate_limited', retry_after_ms: 700 }]);
    await expect(realtime.request('ping', {})).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 700 });
  });

  it('stays away when another window took over', async () => {
    const { realtime } = await connect(house);
    await until(realtime, () => realtime.online);
    house.socket.lose(CLOSE.REPLACED);
    expect(realtime.getSnapshot().status).toBe('replaced');
    expect(house.sockets).toHaveLength(1);
  });

  it.each([
    [CLOSE.DRAINING, 'draining retry_ms=7300', 7_300],
    [1013, 'overloaded retry_ms=12000', 12_000],
    [CLOSE.DRAINING, 'draining retry_ms=999999999', 60_000],
    [CLOSE.DRAINING, 'draining retry_ms=soon', 50],
  ])('stays away for as long as the server asks: %i %s', async (code, reason, delayMs) => {
    const { realtime } = await connect(house);
    await until(realtime, () => realtime.online);
    const clock = vi.spyOn(Date, 'now').mockReturnValue(1_000_000);
    house.socket.lose(code, reason);
    clock.mockRestore();
    expect(realtime.getSnapshot()).toMatchObject({ status: 'waiting', retryAt: 1_000_000 + delayMs });
    realtime.stop();
  });

  it('signs out when the session was ended', async () => {
    const { realtime, session } = await connect(house);
    await until(realtime, () => realtime.online);
    house.socket.lose(CLOSE.SESSION_REVOKED);
    expect(session.getSnapshot()).toEqual({ status: 'signed_out', reason: 'ended' });
    expect(realtime.getSnapshot().status).toBe('stopped');
  });

  it('gets a fresh token when the present one is refused', async () => {
    const { realtime } = await connect(house);
    await until(realtime, () => realtime.online);
    const refresh = vi.spyOn(globalThis, 'fetch');
    house.socket.lose(CLOSE.UNAUTHENTICATED);
    await until(realtime, () => realtime.online);
    expect(String(refresh.mock.calls[0]?.[0])).toContain('/auth/patient/refresh');
  });
});
