import { CButton, CForm, CFormLabel, CFormTextarea, CModal, CModalBody, CModalFooter, CModalHeader, CModalTitle } from '@coreui/react';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

type Props = {
  open: boolean;
  busy: boolean;
  consultation: string;
  dismiss: () => void;
  confirm: (summary: string) => void;
};

/** The conclusion for the patient, kept if the dialog is closed by mistake. */
export function CloseDialog({ open, busy, consultation, dismiss, confirm }: Props) {
  const { t } = useTranslation();
  const [summary, setSummary] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    confirm(summary.trim());
  };
  return (
    <CModal visible={open} onClose={dismiss} alignment="center" aria-labelledby={`close-${consultation}`}>
      <CForm onSubmit={submit}>
        <CModalHeader closeButton={false}>
          <CModalTitle as="h2" id={`close-${consultation}`}>{t('close.title')}</CModalTitle>
        </CModalHeader>
        <CModalBody>
          <CFormLabel htmlFor="close-summary">{t('close.summary')}</CFormLabel>
          <CFormTextarea
            id="close-summary" rows={6} value={summary} data-testid="close-summary" text={t('close.hint')}
            onChange={(event) => setSummary(event.target.value)}
          />
        </CModalBody>
        <CModalFooter>
          <CButton color="secondary" variant="outline" onClick={dismiss}>{t('state.cancel')}</CButton>
          <CButton type="submit" color="primary" disabled={busy} data-testid="close-confirm">{t('close.confirm')}</CButton>
        </CModalFooter>
      </CForm>
    </CModal>
  );
}
