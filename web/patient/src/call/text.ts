/** What a call says about itself. */
import type { CallHint, CallSnapshot } from '@housecall/sdk';
import { formatClock } from '@housecall/sdk';

type Translate = (key: string, values?: Record<string, unknown>) => string;

export function stateText(call: CallSnapshot, t: Translate): string | null {
  switch (call.phase) {
    case 'starting':
      return t('call.starting');
    case 'outgoing':
      return t('call.ringing');
    case 'connecting':
      return t('call.connecting');
    case 'active':
      return call.peer?.media.camera ? null : t('call.audio_only');
    case 'incoming':
      return null;
    case 'ended':
      return endText(call, t);
  }
}

function endText(call: CallSnapshot, t: Translate): string {
  if (call.ended === 'not_started') return t(call.failure ? `call.failure_${call.failure}` : 'call.ended_not_started');
  if (call.ended === 'hung_up' && call.acceptedAt !== null) {
    return t('call.ended_talk', { duration: formatClock((Date.now() - call.acceptedAt) / 1_000) });
  }
  return t(`call.ended_${call.ended ?? 'failed'}`);
}

function hintText({ person, source, fault }: CallHint, t: Translate): string {
  const what = t(`call.source_${source}`);
  return person ? t(`call.fault_${fault}`, { name: person.name, what }) : t(`call.own_fault_${fault}`, { what });
}

/** One sentence about what is wrong and what it costs; null when all is well. */
export function noticeText(call: CallSnapshot, t: Translate): string | null {
  if (call.problem) return t(`call.problem_${call.problem}`);
  if (call.phase === 'ended') return null;
  if (call.soundBlocked) return t('call.sound_blocked');
  if (call.reconnecting) return t('call.reconnecting');
  if (call.phase !== 'active') return null;
  if (call.peer?.reconnecting) return t('call.peer_reconnecting', { name: call.peer.name });
  if (!call.allowed.microphone) return t('call.muted_by_house');
  if (!call.allowed.camera) return t('call.camera_off_by_house');
  const [hint] = call.hints;
  if (hint) return hintText(hint, t);
  if (call.quality === 'poor') return t('call.poor');
  if (call.people.length === 1 && call.peer && !call.peer.media.microphone) return t('call.peer_muted', { name: call.peer.name });
  return null;
}
