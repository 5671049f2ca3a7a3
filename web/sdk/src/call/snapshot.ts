/** How a call looks to the interface before anything has happened. */
import type { CallSnapshot } from '../types';

export function initialSnapshot(role: CallSnapshot['role'], wantsVideo: boolean): CallSnapshot {
  return {
    phase: role === 'caller' || role === 'listener' ? 'starting' : 'incoming',
    role,
    view: null,
    self: null,
    peer: null,
    people: [],
    media: { microphone: false, camera: false, screen: false },
    allowed: { microphone: true, camera: true, screen: true },
    wantsVideo,
    local: { camera: null, screen: null },
    remote: { camera: null, screen: null },
    quality: 'excellent',
    figures: { mos: null, loss: null, rttMs: null },
    hints: [],
    hand: false,
    asked: null,
    reconnecting: false,
    canFlip: false,
    facing: 'user',
    failure: null,
    problem: null,
    acceptedAt: null,
    ended: null,
    soundBlocked: false,
  };
}
