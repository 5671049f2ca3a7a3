import type { FileView } from '@housecall/sdk';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { useToast } from '../app/toasts';
import { Icon } from '../ui/Icon';
import { iconClose, iconDownload, iconNext, iconPrevious } from '../ui/icons';
import { useFileUrl } from './useFileUrl';

import './viewer.css';

type Props = { images: FileView[]; start: string; close: () => void };

/** A picture over the whole page; arrows go through the conversation's pictures. */
export function Viewer({ images, start, close }: Props) {
  const { t } = useTranslation();
  const { files } = useHouse();
  const say = useToast();
  const dialog = useRef<HTMLDialogElement>(null);
  const [shown, setShown] = useState(start);
  const place = images.findIndex((image) => image.id === shown);
  const image = images[place];
  const { url, failed } = useFileUrl(image?.id);
  useEffect(() => {
    // The browser's own dialog keeps the focus inside and closes on Escape.
    dialog.current?.showModal();
  }, []);
  const step = (by: number) => {
    const next = images[place + by];
    if (next) setShown(next.id);
  };
  if (!image) return null;
  return (
    <dialog
      ref={dialog} className="hc-viewer" aria-label={t('chat.image', { name: image.name })}
      data-testid="viewer" onClose={close}
      onKeyDown={(event) => {
        if (event.key === 'ArrowLeft') step(-1);
        if (event.key === 'ArrowRight') step(1);
      }}
      onClick={(event) => {
        if (event.target === dialog.current) dialog.current.close();
      }}
    >
      <header>
        <span>{image.name}</span>
        <button type="button" aria-label={t('chat.download')} title={t('chat.download')} onClick={() => { files.download(image).catch(() => say(t('chat.fileFailed'), 'bad')); }}>
          <Icon icon={iconDownload} size={22} />
        </button>
        <button type="button" aria-label={t('state.close')} title={t('state.close')} data-testid="viewer-close" onClick={() => dialog.current?.close()}>
          <Icon icon={iconClose} size={22} />
        </button>
      </header>
      {url && <img src={url} alt={image.name} />}
      {failed && <p>{t('chat.fileFailed')}</p>}
      {place > 0 && (
        <button type="button" className="hc-viewer-step is-back" aria-label={t('chat.previous')} onClick={() => step(-1)}>
          <Icon icon={iconPrevious} size={28} />
        </button>
      )}
      {place < images.length - 1 && (
        <button type="button" className="hc-viewer-step is-on" aria-label={t('chat.next')} onClick={() => step(1)}>
          <Icon icon={iconNext} size={28} />
        </button>
      )}
    </dialog>
  );
}
