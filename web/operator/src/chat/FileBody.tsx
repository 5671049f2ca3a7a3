import { type FileView, marked, type PendingFile } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { useToast } from '../app/toasts';
import { fileSize } from '../format/text';
import { Icon } from '../ui/Icon';
import { iconDownload, iconFile, iconImage } from '../ui/icons';
import { Marked } from '../ui/Marked';
import { fittedSize } from './fittedSize';
import { useCheckedFile } from './useCheckedFile';
import { useFileUrl } from './useFileUrl';

import './file-body.css';

/** `PDF`: what people call the type, which is the name's ending; without one, from the sniffed type. */
function typeWord({ name, media_type: mediaType }: FileView): string {
  const ending = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1];
  return (ending ?? mediaType.split('/')[1] ?? mediaType).toUpperCase();
}

const NONE: readonly string[] = [];

export function FileLine({ file, words = NONE }: { file: FileView; words?: readonly string[] | undefined }) {
  const { t, i18n } = useTranslation();
  const { files } = useHouse();
  const say = useToast();
  const save = () => {
    files.download(file).catch(() => say(t('chat.fileFailed'), 'bad'));
  };
  return (
    <button type="button" className="hc-file" onClick={save} data-testid="file">
      <span className="hc-file-mark"><Icon icon={iconFile} size={22} /></span>
      <span className="hc-file-words">
        <strong><Marked parts={marked(file.name, words)} /></strong>
        <small>{typeWord(file)}, {fileSize(file.size_bytes, i18n.language, t)}</small>
      </span>
      <Icon icon={iconDownload} size={18} />
      <span className="visually-hidden">{t('chat.download')}</span>
    </button>
  );
}

function Picture({ file, view }: { file: FileView; view: (id: string) => void }) {
  const { t } = useTranslation();
  const { url, failed } = useFileUrl(file.id, file.has_thumbnail ? 'thumbnail' : 'whole');
  const size = fittedSize(file.width, file.height);
  return (
    <button
      type="button" className="hc-picture" style={{ width: size.width, aspectRatio: `${size.width} / ${size.height}` }}
      aria-label={t('chat.open', { name: file.name })} onClick={() => view(file.id)}
    >
      {url && <img src={url} alt={file.name} width={size.width} height={size.height} data-testid="image" />}
      {failed && <Icon icon={iconImage} size={28} />}
    </button>
  );
}

type Props = { file: FileView; caption: string; view: (id: string) => void; words?: readonly string[] | undefined };

/** Nobody gets its bytes: not yet, or never. */
function HeldFile({ file }: { file: FileView }) {
  const { t } = useTranslation();
  return (
    <span className="hc-file is-held" data-testid="held-file">
      <span className="hc-file-mark"><Icon icon={iconFile} size={22} /></span>
      <span className="hc-file-words" role="status">
        <strong>{file.name}</strong>
        <small>{t(file.state === 'checking' ? 'chat.fileChecking' : 'chat.fileRefused')}</small>
      </span>
    </span>
  );
}

/** A picture opens full screen, anything else is saved; both show what they are. */
export function FileBody({ file: sent, caption, view, words = NONE }: Props) {
  const file = useCheckedFile(sent);
  const served = file.media_type.startsWith('image/')
    ? <Picture file={file} view={view} />
    : <FileLine file={file} words={words} />;
  return (
    <>
      {file.state === 'ready' ? served : <HeldFile file={file} />}
      {caption && <p className="hc-words"><Marked parts={marked(caption, words)} /></p>}
    </>
  );
}

/** A file on its way to the house. */
export function PendingFileBody({ file }: { file: PendingFile }) {
  const { t, i18n } = useTranslation();
  const percent = Math.round((file.progress ?? 0) * 100);
  return (
    <div className="hc-pending" aria-label={t('chat.uploading', { name: file.name, percent })}>
      {file.previewUrl ? <img src={file.previewUrl} alt={file.name} /> : (
        <span className="hc-file">
          <span className="hc-file-mark"><Icon icon={iconFile} size={22} /></span>
          <span className="hc-file-words">
            <strong>{file.name}</strong>
            <small>{fileSize(file.sizeBytes, i18n.language, t)}</small>
          </span>
        </span>
      )}
      {file.progress !== null && (
        <span className="hc-progress" role="progressbar" aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100} aria-label={file.name}>
          <i style={{ width: `${percent}%` }} />
        </span>
      )}
      {file.caption && <p className="hc-words">{file.caption}</p>}
    </div>
  );
}
