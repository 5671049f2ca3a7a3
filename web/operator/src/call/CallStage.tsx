import type { CallSnapshot } from '@housecall/sdk';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { Icon } from '../ui/Icon';
import { iconEar, iconMicrophone, iconMinimise } from '../ui/icons';
import { useMediaQuery } from '../ui/useMediaQuery';
import { CallChat } from './CallChat';
import { CallControls, type Side } from './CallControls';
import { Grid } from './Grid';
import { Notes } from './Notes';
import { OwnTile } from './OwnTile';
import { PeoplePanel } from './PeoplePanel';
import { Picture } from './Picture';
import { Quality } from './Quality';
import { useCallWords } from './useCallWords';
import { useFullscreen } from './useFullscreen';
import { useIdle } from './useIdle';

import './stage.css';

type Props = { call: CallSnapshot; minimise: () => void };

// Controls leave the picture alone after this long without a touch.
const IDLE_MS = 4000;

function Head({ call, name, minimise }: Props & { name: string }) {
  const { t } = useTranslation();
  const words = useCallWords(call);
  const alone = call.people.length === 1;
  return (
    <header className="hc-stage-head">
      <div>
        <h1>{name}</h1>
        <p role="status" data-testid="call-state" data-phase={call.phase}>{words.state}</p>
      </div>
      {call.role === 'listener' && (
        <span className="hc-quality"><Icon icon={iconEar} size={16} />{t('call.listeningShort')}</span>
      )}
      {alone && call.peer && !call.peer.media.microphone && call.phase === 'active' && (
        <span className="hc-quality" title={t('call.micOff')}><Icon icon={iconMicrophone} size={14} off /><span className="visually-hidden">{t('call.micOff')}</span></span>
      )}
      {call.phase === 'active' && <Quality level={call.quality} figures={call.figures} />}
      {words.clock && <span className="hc-quality hc-figures" data-testid="call-clock">{words.clock}</span>}
      <button type="button" className="hc-round is-small" data-testid="call-minimise" aria-label={t('call.minimise')} title={t('call.minimise')} onClick={minimise}>
        <Icon icon={iconMinimise} size={18} />
      </button>
    </header>
  );
}

/** The call in the place of the page: picture or tiles, own tile, controls, and a side panel. */
export function CallStage({ call, minimise }: Props) {
  const { t } = useTranslation();
  const roomy = useMediaQuery('(min-width: 992px)');
  const [chosen, setSide] = useState<Side | null>(roomy ? 'chat' : null);
  const stage = useRef<HTMLDivElement>(null);
  const fullscreen = useFullscreen(stage);
  const [idle, wake] = useIdle(IDLE_MS);
  const group = call.people.length > 1;
  const name = group
    ? call.people.map((person) => person.name || t('person.noName')).join(', ')
    : call.peer?.name || t('call.calling');
  const bare = idle && !group && call.remote.camera !== null && call.phase === 'active';
  // Only the two sides of a call have its conversation before them.
  const own = call.role === 'caller' || call.role === 'callee';
  const side = chosen === 'chat' && !own ? null : chosen;
  return (
    <div ref={stage} className="hc-call" data-testid="call" data-phase={call.phase} data-role={call.role}>
      <section className={`hc-stage${bare ? ' is-bare' : ''}`} aria-label={t('call.label')} onPointerMove={wake} onPointerDown={wake} onKeyDown={wake} onFocus={wake}>
        {group ? <Grid call={call} /> : <Picture call={call} person={call.people[0]} name={name} />}
        <div className="hc-stage-shade" />
        <Head call={call} name={name} minimise={minimise} />
        {!group && call.local.camera && <OwnTile stream={call.local.camera} />}
        <Notes call={call} />
        <CallControls call={call} side={side} setSide={setSide} fullscreen={fullscreen} />
      </section>
      {side === 'chat' && call.view && <CallChat view={call.view} {...(!roomy && { close: () => setSide(null) })} />}
      {side === 'people' && <PeoplePanel call={call} close={() => setSide(null)} />}
    </div>
  );
}
