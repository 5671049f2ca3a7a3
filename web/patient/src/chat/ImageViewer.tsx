import { IonIcon, IonModal } from '@ionic/react';
import type { FileView } from '@housecall/sdk';
import { closeOutline, downloadOutline } from 'ionicons/icons';
import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';
import { useFileUrl } from './useFileUrl';

type Props = { preview: string; file: FileView; onClose: () => void };

/** A photo over the whole screen; the small one until the whole one is there. */
export function ImageViewer({ preview, file, onClose }: Props) {
  const { t } = useTranslation();
  const { url } = useFileUrl(file.id);
  return (
    <IonModal isOpen onDidDismiss={onClose} className="viewer" aria-label={file.name}>
      <div className="viewer-body" data-testid="image-viewer">
        <div className="viewer-bar">
          <button type="button" className="viewer-button" aria-label={t('close')} onClick={onClose}>
            <IonIcon icon={closeOutline} aria-hidden="true" />
          </button>
          <span className="viewer-name">{file.name}</span>
          <button
            type="button"
            className="viewer-button"
            aria-label={t('file.save')}
            onClick={() => void housecall.files.download(file)}
          >
            <IonIcon icon={downloadOutline} aria-hidden="true" />
          </button>
        </div>
        <img src={url ?? preview} alt={file.name} />
      </div>
    </IonModal>
  );
}
