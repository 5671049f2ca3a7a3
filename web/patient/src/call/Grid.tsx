import { IonIcon } from '@ionic/react';
import type { CallPerson, CallSnapshot } from '@housecall/sdk';
import { handRightOutline, micOffOutline } from 'ionicons/icons';
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';
import { Avatar } from '../ui/Avatar';
import { Picture } from './Picture';

/** Several people: tiles, or a shared screen over a row of them. */
export function Grid({ call }: { call: CallSnapshot }) {
  const { t } = useTranslation();
  const observe = useCallback((element: HTMLVideoElement) => housecall.calls.observeRemoteVideo(element), []);
  const { people } = call;
  const sharing = people.find((person) => person.screen !== null);
  const tiles = people.map((person) => (
    <Tile key={person.person} person={person} onElement={person.person === call.peer?.person ? observe : undefined} />
  ));
  // Among several people the own picture is one of them: floating, it would hide another.
  if (call.local.camera) tiles.push(<OwnFigure key="own" stream={call.local.camera} mirrored={call.facing === 'user'} />);
  if (!sharing?.screen) return <div className="call-grid" data-testid="call-grid" data-count={Math.min(tiles.length, 7)}>{tiles}</div>;
  return (
    <div className="call-grid-stage" data-testid="call-grid">
      <div className="call-grid-screen">
        <Picture stream={sharing.screen} contain testId="remote-screen" track={{ person: sharing.person, source: 'screen' }} />
        <span className="call-chip">{t('call.screen_of', { name: sharing.name })}</span>
      </div>
      <div className="call-grid-strip" data-testid="call-strip" tabIndex={0} role="group" aria-label={t('call.people')}>{tiles}</div>
    </div>
  );
}

function OwnFigure({ stream, mirrored }: { stream: MediaStream; mirrored: boolean }) {
  const { t } = useTranslation();
  return (
    <figure className="call-tile">
      <Picture stream={stream} mirrored={mirrored} testId="local-video" />
      <figcaption>
        <span>{t('call.you')}</span>
      </figcaption>
    </figure>
  );
}

interface TileProps {
  person: CallPerson;
  onElement?: ((element: HTMLVideoElement) => () => void) | undefined;
}

function Tile({ person, onElement }: TileProps) {
  const { t } = useTranslation();
  const { camera, media, paused, ringing, name } = person;
  const weak = media.camera && paused.camera === 'bandwidth';
  const seen = camera !== null && media.camera && !weak && !ringing;
  const note = ringing ? t('call.rings_there') : person.reconnecting ? t('call.reconnects_there') : weak ? t('call.paused_for_network') : null;
  return (
    <figure
      className={`call-tile ${person.speaking ? 'is-speaking' : ''}`}
      data-testid="call-tile"
      data-person={person.person}
      data-speaking={person.speaking}
      data-paused={paused.camera ?? undefined}
    >
      {camera && media.camera && !ringing && (
        <Picture stream={camera} testId="tile-video" track={{ person: person.person, source: 'camera' }} onElement={onElement} />
      )}
      {!seen && (
        <div className="call-tile-face">
          <Avatar id={person.person} name={name} size={64} />
          {note && <small>{note}</small>}
        </div>
      )}
      <figcaption>
        {!media.microphone && !ringing && person.role === 'member' && <IonIcon icon={micOffOutline} aria-label={t('call.peer_muted', { name })} role="img" />}
        <span>{name}</span>
        {person.hand && <IonIcon icon={handRightOutline} className="call-tile-hand" aria-label={t('call.hand_of', { name })} role="img" />}
      </figcaption>
    </figure>
  );
}
