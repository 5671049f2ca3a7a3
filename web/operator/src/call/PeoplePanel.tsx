import type { CallPerson, CallSnapshot } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { problemText } from '../api/problems';
import { useToast } from '../app/toasts';
import { doctorName } from '../chat/useEventWords';
import { Avatar } from '../ui/Avatar';
import { Icon } from '../ui/Icon';
import { iconClose, iconHand, iconMicrophone, iconPlus, iconVideo } from '../ui/icons';
import { InviteDialog } from './InviteDialog';

import './people.css';

/** Does something and says so when the house refuses. */
function useDo(): (work: Promise<void>) => void {
  const { t } = useTranslation();
  const say = useToast();
  return (work) => void work.catch((error: unknown) => say(problemText(t, error), 'bad'));
}

/** What the operator of the call may do with one participant's microphone or camera. */
function Switch({ person, source }: { person: CallPerson; source: 'microphone' | 'camera' }) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  const act = useDo();
  const on = person.media[source];
  const label = t(on ? `call.turnOff.${source}` : `call.askOn.${source}`, { name: person.name });
  return (
    <button
      type="button" className={`btn btn-icon btn-bare${on ? '' : ' is-off'}`} data-testid={`person-${source}`} data-on={on}
      data-allowed={person.allowed[source]} aria-label={label} title={label}
      onClick={() => act(on ? calls.mute(person.person, source) : calls.askToTurnOn(person.person, source))}
    >
      <Icon icon={source === 'microphone' ? iconMicrophone : iconVideo} size={20} off={!on} />
    </button>
  );
}

function Row({ person, hosts }: { person: CallPerson; hosts: boolean }) {
  const { t, i18n } = useTranslation();
  const { calls } = useHouse();
  const act = useDo();
  const name = person.name || t('person.noName');
  const role = person.kind === 'patient' ? t('call.role.patient')
    : person.role === 'listener' ? t('call.role.listener')
      : person.specialty ? doctorName(person.specialty, i18n.language) : t('call.role.operator');
  const state = person.ringing ? t('call.ringsThere') : person.reconnecting ? t('call.reconnectsThere') : role;
  const controls = hosts && !person.ringing && person.role === 'member';
  return (
    <li data-testid="call-person" data-id={person.person} data-speaking={person.speaking}>
      <Avatar id={person.person} name={name} size={36} />
      <span>
        <strong>{name}</strong>
        <small>{state}</small>
      </span>
      {person.hand && <span className="hc-person-hand" title={t('call.handOf', { name })} data-testid="person-hand"><Icon icon={iconHand} size={20} /><span className="visually-hidden">{t('call.handOf', { name })}</span></span>}
      {controls && <><Switch person={person} source="microphone" /><Switch person={person} source="camera" /></>}
      {hosts && person.guest && (
        <button type="button" className="btn btn-icon btn-bare" data-testid="person-remove" aria-label={t('call.removeGuest', { name })} title={t('call.removeGuest', { name })} onClick={() => act(calls.remove(person.person))}>
          <Icon icon={iconClose} size={20} />
        </button>
      )}
    </li>
  );
}

/** Who is in the call, what may be done with whom, and the way to ask one more in. */
export function PeoplePanel({ call, close }: { call: CallSnapshot; close: () => void }) {
  const { t } = useTranslation();
  const [inviting, setInviting] = useState(false);
  const hosts = call.role === 'caller' || call.role === 'callee';
  return (
    <aside className="hc-call-people" aria-label={t('call.people')} data-testid="call-people-panel">
      <header>
        <h2>{t('call.people')}</h2>
        <button type="button" className="btn btn-icon btn-bare" aria-label={t('call.hidePeople')} onClick={close}><Icon icon={iconClose} /></button>
      </header>
      <ul>
        {call.people.map((person) => <Row key={person.person} person={person} hosts={hosts} />)}
      </ul>
      {hosts && call.phase === 'active' && (
        <button type="button" className="btn btn-soft" data-testid="call-invite" onClick={() => setInviting(true)}>
          <Icon icon={iconPlus} size={18} />
          {t('call.invite')}
        </button>
      )}
      {inviting && <InviteDialog here={call.people.map(({ person }) => person)} dismiss={() => setInviting(false)} />}
    </aside>
  );
}
