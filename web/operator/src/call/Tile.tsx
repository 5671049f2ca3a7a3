import type { CallPerson } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { Avatar } from '../ui/Avatar';
import { Icon } from '../ui/Icon';
import { iconHand, iconMicrophone } from '../ui/icons';
import { Video } from './Video';

type Props = {
  person: CallPerson;
  observe?: ((element: HTMLVideoElement) => () => void) | undefined;
};

/** The own picture among those of others. */
export function OwnFigure({ stream }: { stream: MediaStream }) {
  const { t } = useTranslation();
  return (
    <figure className="hc-tile">
      <Video stream={stream} label={t('call.you')} mirrored testId="local-video" />
      <figcaption>{t('call.you')}</figcaption>
    </figure>
  );
}

/** One of several people: their picture or face, their name, and whether they speak. */
export function Tile({ person, observe }: Props) {
  const { t } = useTranslation();
  const { camera, media, paused, ringing } = person;
  const name = person.name || t('person.noName');
  const seen = camera !== null && media.camera && paused.camera !== 'bandwidth' && !ringing;
  const note = ringing ? t('call.ringsThere')
    : person.reconnecting ? t('call.reconnectsThere')
      : media.camera && paused.camera === 'bandwidth' ? t('call.pausedForNetwork') : undefined;
  return (
    <figure
      className={`hc-tile${person.speaking ? ' is-speaking' : ''}`} data-testid="call-tile"
      data-person={person.person} data-speaking={person.speaking} data-paused={paused.camera ?? undefined}
    >
      {camera && media.camera && !ringing && (
        <Video stream={camera} label={name} testId="tile-video" track={{ person: person.person, source: 'camera' }} {...(observe && { observe })} />
      )}
      {!seen && (
        <span className={`hc-tile-face${ringing ? ' is-ringing' : ''}`}>
          <Avatar id={person.person} name={name} size={72} />
          {note && <small>{note}</small>}
        </span>
      )}
      <figcaption>
        {!media.microphone && !ringing && person.role === 'member' && (
          <span title={t('call.micOffOf', { name })}><Icon icon={iconMicrophone} size={14} off /><span className="visually-hidden">{t('call.micOffOf', { name })}</span></span>
        )}
        <span className="hc-tile-name">{name}</span>
        {person.hand && <span className="hc-tile-hand" title={t('call.handOf', { name })}><Icon icon={iconHand} size={16} /><span className="visually-hidden">{t('call.handOf', { name })}</span></span>}
      </figcaption>
    </figure>
  );
}
