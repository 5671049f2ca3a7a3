import type { CallSnapshot } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { OwnFigure, Tile } from './Tile';
import { Video } from './Video';

import './grid.css';

/** Several people: tiles, or a shared screen with the tiles beside it. */
export function Grid({ call }: { call: CallSnapshot }) {
  const { t } = useTranslation();
  const { calls } = useHouse();
  const [observe] = useState(() => (element: HTMLVideoElement) => calls.observeRemoteVideo(element));
  const { people } = call;
  const sharing = people.find((person) => person.screen !== null);
  const tiles = people.map((person) => (
    <Tile key={person.person} person={person} observe={person.person === call.peer?.person ? observe : undefined} />
  ));
  // Among several people the own picture is one of them: floating, it would hide another.
  if (call.local.camera) tiles.push(<OwnFigure key="own" stream={call.local.camera} />);
  if (!sharing?.screen) {
    return <div className="hc-grid" data-testid="call-grid" data-count={Math.min(tiles.length, 9)}>{tiles}</div>;
  }
  return (
    <div className="hc-grid-stage" data-testid="call-grid">
      <div className="hc-grid-screen">
        <Video
          stream={sharing.screen} label={t('call.screenOf', { name: sharing.name })} fit="contain"
          testId="remote-screen" track={{ person: sharing.person, source: 'screen' }}
        />
        <span className="hc-grid-whose">{t('call.screenOf', { name: sharing.name })}</span>
      </div>
      {/* Tiles that are scrolled away are told to the relay, which then sends nothing of them. */}
      <div className="hc-grid-strip" data-testid="call-strip" tabIndex={0} role="group" aria-label={t('call.people')}>{tiles}</div>
    </div>
  );
}
