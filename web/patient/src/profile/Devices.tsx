import type { DeviceSession } from '@housecall/sdk';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { housecall, useNow } from '../app/client';
import { ago } from '../app/format';
import { useDevices } from '../app/queries';
import { deviceName } from './deviceName';

/** Where this account is signed in; each of the others can be ended. */
export function Devices() {
  const { t } = useTranslation();
  const devices = useDevices();
  if (!devices.data) return null;
  return (
    <section className="card profile-section">
      <h2>{t('profile.devices')}</h2>
      <ul className="devices">
        {devices.data.map((device) => (
          <Device key={device.id} device={device} />
        ))}
      </ul>
    </section>
  );
}

function Device({ device }: { device: DeviceSession }) {
  const { t } = useTranslation();
  const now = useNow(60_000);
  const client = useQueryClient();
  const end = useMutation({
    mutationFn: () => housecall.api.endDeviceSession(device.id),
    onSettled: () => client.invalidateQueries({ queryKey: ['devices'] }),
  });
  return (
    <li data-testid="device">
      <span className="row-text">
        <span className="row-title">{deviceName(device.user_agent, t('profile.unknown_device'))}</span>
        <span className="row-sub">
          {device.current ? t('profile.this_device') : t('profile.last_used', { at: ago(device.last_used_at, now) })}
        </span>
      </span>
      {!device.current && (
        <button type="button" className="link is-bad" disabled={end.isPending} data-testid="device-end" onClick={() => end.mutate()}>
          {t('profile.end_device')}
        </button>
      )}
    </li>
  );
}
