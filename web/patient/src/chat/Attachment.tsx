import { IonIcon } from '@ionic/react';
import { marked, type FileView, type MessageBody, type PendingFile } from '@housecall/sdk';
import { documentTextOutline, imageOutline } from 'ionicons/icons';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { housecall } from '../app/client';
import { fileSize } from '../app/format';
import { Marked } from '../ui/Marked';
import { ImageViewer } from './ImageViewer';
import { useCheckedFile } from './useCheckedFile';
import { useFileUrl } from './useFileUrl';

type FileBody = Extract<MessageBody, { kind: 'file' }>;

/** A photo as a picture, anything else as a card with its type and size. */
export function Attachment({ body, ...rest }: { body: FileBody | PendingFile; own: boolean; words: readonly string[] }) {
  if (body.kind === 'pending_file') return <Pending body={body} />;
  return <Stored file={body.file} {...rest} />;
}

interface StoredProps {
  file: FileView;
  own: boolean;
  /** Words that were looked for. */
  words: readonly string[];
}

function Stored({ file: sent, own, words }: StoredProps) {
  const { t } = useTranslation();
  const file = useCheckedFile(sent);
  if (file.state !== 'ready') {
    const detail = t(file.state === 'checking' ? 'file.checking' : 'file.refused');
    return (
      <div className="document" role="status" data-testid="held-file">
        <Card name={file.name} detail={detail} />
      </div>
    );
  }
  return file.media_type.startsWith('image/') ? <Photo file={file} /> : <Document file={file} own={own} words={words} />;
}

function Pending({ body }: { body: PendingFile }) {
  const { t } = useTranslation();
  const share = body.progress === null ? null : Math.round(body.progress * 100);
  return (
    <div className="attachment">
      {body.previewUrl ? (
        <img className="photo" src={body.previewUrl} alt={body.name} />
      ) : (
        <Card name={body.name} detail={fileSize(body.sizeBytes)} />
      )}
      {share !== null && share < 100 && (
        <progress className="upload" max={100} value={share} aria-label={t('chat.uploading')} />
      )}
    </div>
  );
}

function Photo({ file }: { file: FileView }) {
  const { t } = useTranslation();
  const { url, failed, retry } = useFileUrl(file.id, file.has_thumbnail ? 'thumbnail' : 'whole');
  const [open, setOpen] = useState(false);
  const ratio = file.width && file.height ? file.width / file.height : 4 / 3;
  if (failed) {
    return (
      <button type="button" className="photo-missing" onClick={retry}>
        <IonIcon icon={imageOutline} aria-hidden="true" />
        {t('chat.photo_missing')}
      </button>
    );
  }
  return (
    <>
      <button
        type="button"
        className="photo-button"
        style={{ aspectRatio: Math.min(1.9, Math.max(0.75, ratio)) }}
        aria-label={t('chat.open_photo', { name: file.name })}
        data-testid="photo"
        onClick={() => setOpen(true)}
      >
        {url && <img className="photo" src={url} alt={file.name} />}
      </button>
      {open && url && <ImageViewer preview={url} file={file} onClose={() => setOpen(false)} />}
    </>
  );
}

function Document({ file, own, words }: StoredProps) {
  const { t } = useTranslation();
  const [onDevice, setOnDevice] = useState(false);
  const [state, setState] = useState<'idle' | 'busy' | 'failed'>('idle');
  useEffect(() => {
    let current = true;
    void housecall.files.isOnDevice(file.id).then((kept) => {
      if (current) setOnDevice(kept);
    });
    return () => {
      current = false;
    };
  }, [file.id, state]);
  const open = async () => {
    setState('busy');
    try {
      await housecall.files.download(file);
      setState('idle');
    } catch {
      setState('failed');
    }
  };
  const size = fileSize(file.size_bytes);
  const detail = onDevice && !own ? t('file.saved', { size }) : size;
  return (
    <button type="button" className="document" disabled={state === 'busy'} data-testid="document" onClick={() => void open()}>
      <Card name={file.name} detail={state === 'failed' ? t('file.failed') : detail} words={words} />
    </button>
  );
}

function Card({ name, detail, words = [] }: { name: string; detail: string; words?: readonly string[] }) {
  return (
    <span className="file-card">
      <span className="file-icon" aria-hidden="true">
        <IonIcon icon={documentTextOutline} />
      </span>
      <span className="file-text">
        <span className="file-name">
          <Marked parts={marked(name, words)} />
        </span>
        <span className="file-detail">{detail}</span>
      </span>
    </span>
  );
}
