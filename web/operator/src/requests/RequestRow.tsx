import { CButton, CDropdown, CDropdownItem, CDropdownMenu, CDropdownToggle } from '@coreui/react';
import { type Callback, formatPhone } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';

import { useMe } from '../api/house';
import { useStartCall } from '../call/useStartCall';
import { Avatar } from '../ui/Avatar';
import { Icon } from '../ui/Icon';
import { iconMore, iconPhone, iconVideo } from '../ui/icons';
import { useRequestWords } from './useRequestWords';
import type { RequestAction } from './useRequestActions';

type Props = { request: Callback; busy: boolean; act: (action: RequestAction) => void };

function Held({ request, busy, act }: Props) {
  const { t } = useTranslation();
  const call = useStartCall();
  const start = (media: 'audio' | 'video') => () => call.start({ kind: 'callback', id: request.id }, media);
  return (
    <span className="hc-request-actions">
      {call.free && (
        <>
          <CButton color="primary" className="btn-icon" data-testid="request-call-audio" aria-label={t('requests.audio')} title={t('requests.audio')} onClick={start('audio')}>
            <Icon icon={iconPhone} />
          </CButton>
          <CButton color="secondary" variant="outline" className="btn-icon" data-testid="request-call-video" aria-label={t('requests.video')} title={t('requests.video')} onClick={start('video')}>
            <Icon icon={iconVideo} />
          </CButton>
        </>
      )}
      <CDropdown alignment="end" portal>
        <CDropdownToggle custom>
          <button type="button" className="btn btn-icon btn-bare" disabled={busy} data-testid="request-more" aria-label={t('requests.more')} title={t('requests.more')}>
            <Icon icon={iconMore} />
          </button>
        </CDropdownToggle>
        <CDropdownMenu as="div" role="group">
          <CDropdownItem as="button" type="button" data-testid="request-done" onClick={() => act('done')}>{t('requests.done')}</CDropdownItem>
          <CDropdownItem as="button" type="button" data-testid="request-release" onClick={() => act('release')}>{t('requests.release')}</CDropdownItem>
          <CDropdownItem as="button" type="button" data-testid="request-cancel" onClick={() => act('cancel')}>{t('requests.cancel')}</CDropdownItem>
        </CDropdownMenu>
      </CDropdown>
    </span>
  );
}

function Operator({ request, busy, act }: Props) {
  const { t } = useTranslation();
  const me = useMe();
  if (request.state === 'new') {
    return (
      <CButton color="primary" data-testid="request-take" disabled={busy} onClick={() => act('take')}>{t('requests.take')}</CButton>
    );
  }
  if (request.state === 'in_progress' && request.operator?.id === me.id) {
    return <Held request={request} busy={busy} act={act} />;
  }
  return <>{request.operator?.name}</>;
}

/** One request: who, why, when, how it stands, and what can be done. */
export function RequestRow({ request, busy, act }: Props) {
  const { t } = useTranslation();
  const words = useRequestWords(request);
  const name = request.patient.name || t('person.noName');
  return (
    <tr data-testid="request-row" data-id={request.id} data-state={request.state}>
      <td>
        <span className="hc-who">
          <Avatar id={request.patient.id} name={name} size={36} />
          <span>
            <Link to={`/clients/${request.patient.id}`}>{name}</Link>
            <small>{formatPhone(request.phone)}</small>
          </span>
        </span>
      </td>
      <td className="hc-request-reason">{request.reason}</td>
      <td>
        {words.when}
        {words.there && <small>{words.there}</small>}
      </td>
      <td><span className={`hc-chip is-${words.tone}`}>{words.state}</span></td>
      <td className="hc-quiet" data-label={t('requests.attempts')}>{words.attempts}</td>
      <td><Operator request={request} busy={busy} act={act} /></td>
    </tr>
  );
}
