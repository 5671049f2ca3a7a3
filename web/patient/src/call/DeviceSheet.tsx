import { IonModal } from '@ionic/react';
import type { CallDevices } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';

/** Which microphone, camera and speaker; only kinds with a choice are shown. */
export function DeviceSheet({ devices, onClose }: { devices: CallDevices; onClose: () => void }) {
  const { t } = useTranslation();
  const { calls } = housecall;
  const { microphones, cameras, speakers, selected } = devices;
  return (
    <IonModal isOpen onDidDismiss={onClose} className="sheet" breakpoints={[0, 1]} initialBreakpoint={1}>
      <div className="sheet-body" data-testid="device-sheet">
        <h2>{t('call.devices')}</h2>
        <Choice label={t('call.microphone')} devices={microphones} selected={selected.microphone} onChoose={(id) => void calls.selectMicrophone(id)} />
        <Choice label={t('call.camera')} devices={cameras} selected={selected.camera} onChoose={(id) => void calls.selectCamera(id)} />
        <Choice label={t('call.speaker')} devices={speakers} selected={selected.speaker} onChoose={(id) => void calls.selectSpeaker(id)} />
        <button type="button" className="button-primary" onClick={onClose}>
          {t('done')}
        </button>
      </div>
    </IonModal>
  );
}

interface ChoiceProps {
  label: string;
  devices: MediaDeviceInfo[];
  selected: string | null;
  onChoose: (id: string) => void;
}

function Choice({ label, devices, selected, onChoose }: ChoiceProps) {
  if (devices.length === 0) return null;
  return (
    <label className="stacked">
      {label}
      <select className="field" defaultValue={selected ?? undefined} onChange={(event) => onChoose(event.target.value)}>
        {devices.map((device) => (
          <option key={device.deviceId} value={device.deviceId}>
            {device.label || label}
          </option>
        ))}
      </select>
    </label>
  );
}
