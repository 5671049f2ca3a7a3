import { CButton, CModal, CModalBody, CModalFooter, CModalHeader, CModalTitle } from '@coreui/react';
import { useTranslation } from 'react-i18next';

type Props = { open: boolean; dismiss: () => void; confirm: () => void };

/** Asks before a message is taken back: the other side sees that there was one. */
export function DeleteDialog({ open, dismiss, confirm }: Props) {
  const { t } = useTranslation();
  return (
    <CModal
      visible={open} onClose={dismiss} alignment="center" aria-labelledby="delete-message"
      // Nothing outside of an element that fills the screen is seen.
      container={() => document.fullscreenElement ?? document.body}
    >
      <CModalHeader closeButton={false}>
        <CModalTitle as="h2" id="delete-message">{t('chat.deleteTitle')}</CModalTitle>
      </CModalHeader>
      <CModalBody>{t('chat.deleteText')}</CModalBody>
      <CModalFooter>
        <CButton color="secondary" variant="outline" onClick={dismiss}>{t('state.cancel')}</CButton>
        <CButton color="danger" data-testid="delete-confirm" onClick={() => { dismiss(); confirm(); }}>{t('chat.discard')}</CButton>
      </CModalFooter>
    </CModal>
  );
}
