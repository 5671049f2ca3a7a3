import { CDropdown, CDropdownHeader, CDropdownItem, CDropdownMenu, CDropdownToggle } from '@coreui/react';
import type { CallDevices } from '@housecall/sdk';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { Icon } from '../ui/Icon';
import { iconCheck, iconGear } from '../ui/icons';

type Kind = { key: 'microphone' | 'camera' | 'speaker'; list: 'microphones' | 'cameras' | 'speakers' };

const KINDS: Kind[] = [
  { key: 'microphone', list: 'microphones' },
  { key: 'camera', list: 'cameras' },
  { key: 'speaker', list: 'speakers' },
];

/** Which microphone, camera and speaker the call uses. */
export function DeviceMenu() {
  const { t } = useTranslation();
  const { calls } = useHouse();
  const [devices, setDevices] = useState<CallDevices>();
  const look = () => {
    // Without a permission there is no list; the menu then stays empty and harmless.
    calls.devices().then(setDevices, () => setDevices(undefined));
  };
  const choose = (kind: Kind['key'], id: string) => {
    const select = {
      microphone: () => calls.selectMicrophone(id),
      camera: () => calls.selectCamera(id),
      speaker: () => calls.selectSpeaker(id),
    }[kind];
    select().then(look, look);
  };
  return (
    <CDropdown direction="dropup" className="hc-control" onShow={look}>
      <CDropdownToggle custom>
        <button type="button" className="hc-round" data-testid="call-devices" aria-label={t('call.devices')} title={t('call.devices')}>
          <Icon icon={iconGear} size={22} />
        </button>
      </CDropdownToggle>
      <span aria-hidden="true">{t('call.devicesShort')}</span>
      <CDropdownMenu as="div" role="group" className="hc-devices">
        {devices && KINDS.filter(({ list }) => devices[list].length > 0).map(({ key, list }) => (
          <div key={key}>
            <CDropdownHeader as="div">{t(`call.${key}`)}</CDropdownHeader>
            {devices[list].map((device, at) => (
              <CDropdownItem key={device.deviceId} as="button" type="button" onClick={() => choose(key, device.deviceId)}>
                <span>{device.label || t('call.deviceDefault', { number: at + 1 })}</span>
                {devices.selected[key] === device.deviceId && <Icon icon={iconCheck} size={16} className="hc-account-check" />}
              </CDropdownItem>
            ))}
          </div>
        ))}
      </CDropdownMenu>
    </CDropdown>
  );
}
