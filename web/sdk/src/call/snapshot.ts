/** How a call looks to the interface before anything has happened. */
import type { CallSnapshot } from '../types';

export function initialSnapshot(role: CallSnapshot['role'], wantsVideo: boolean): CallSnapshot {
  return {
    phase: role === 'caller' ? 'starting' : 'incoming',
    role,
    view: null,
    self: null,
    peer: null,
    media: { microphone: false, camera: false, screen: false },
    wantsVideo,
    local: { camera: null, screen: null },
    remote: { audio: null, camera: null, screen: null },
    quality: 'excellent',
    peerQuality: 'excellent',
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
