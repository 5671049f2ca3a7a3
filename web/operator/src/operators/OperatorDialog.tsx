import {
  CAlert, CButton, CForm, CFormFeedback, CFormInput, CFormLabel, CFormSelect, CFormSwitch, CModal, CModalBody, CModalFooter,
  CModalHeader, CModalTitle,
} from '@coreui/react';
import type { Operator, Role } from '@housecall/sdk';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { useHouse } from '../api/house';
import { problemText } from '../api/problems';
import { useSpecialties } from '../api/queries';
import { useToast } from '../app/toasts';
import { doctorName } from '../chat/useEventWords';
import {
  changesOf, checkOperator, fieldsOf, type OperatorErrors, type OperatorFields,
} from './operatorFields';

const ROLES: Role[] = ['doctor', 'desk', 'supervisor', 'admin'];

type Props = { operator: Operator | undefined; dismiss: () => void };

function useSave({ operator, dismiss }: Props) {
  const { t } = useTranslation();
  const { api } = useHouse();
  const client = useQueryClient();
  const say = useToast();
  return useMutation({
    mutationFn: (fields: OperatorFields) => {
      if (operator) return api.updateOperator(operator.id, changesOf(fields, operator));
      const { name, email, password, role, specialty } = fields;
      return api.createOperator({ name: name.trim(), email: email.trim(), password, role, specialty: specialty || null });
    },
    onSuccess: () => {
      say(t(operator ? 'operators.saved' : 'operators.added'), 'ok');
      dismiss();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['operators'] }),
  });
}

/** Adds an operator or changes one. */
export function OperatorDialog({ operator, dismiss }: Props) {
  const { t, i18n } = useTranslation();
  const { data: specialties } = useSpecialties();
  const [fields, setFields] = useState(() => fieldsOf(operator));
  const [errors, setErrors] = useState<OperatorErrors>({});
  const save = useSave({ operator, dismiss });
  const change = (part: Partial<OperatorFields>) => setFields({ ...fields, ...part });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const found = checkOperator(fields, operator === undefined);
    setErrors(found);
    if (Object.keys(found).length === 0) save.mutate(fields);
  };
  return (
    <CModal visible onClose={dismiss} alignment="center" aria-labelledby="operator-title">
      <CForm noValidate onSubmit={submit}>
        <CModalHeader closeButton={false}>
          <CModalTitle as="h2" id="operator-title">{t(operator ? 'operators.editTitle' : 'operators.addTitle')}</CModalTitle>
        </CModalHeader>
        <CModalBody>
          <div className="hc-field">
            <CFormLabel htmlFor="operator-name">{t('operators.fullName')}</CFormLabel>
            <CFormInput id="operator-name" value={fields.name} autoComplete="off" invalid={Boolean(errors.name)} data-testid="operator-name" onChange={(event) => change({ name: event.target.value })} />
            <CFormFeedback invalid>{errors.name && t(errors.name)}</CFormFeedback>
          </div>
          <div className="hc-field">
            <CFormLabel htmlFor="operator-email">{t('operators.email')}</CFormLabel>
            <CFormInput id="operator-email" type="email" value={fields.email} disabled={operator !== undefined} autoComplete="off" invalid={Boolean(errors.email)} data-testid="operator-email" onChange={(event) => change({ email: event.target.value })} />
            <CFormFeedback invalid>{errors.email && t(errors.email)}</CFormFeedback>
          </div>
          <div className="hc-pair">
            <div className="hc-field">
              <CFormLabel htmlFor="operator-role">{t('operators.role')}</CFormLabel>
              <CFormSelect id="operator-role" value={fields.role} data-testid="operator-role" onChange={(event) => change({ role: event.target.value as Role })}>
                {ROLES.map((role) => <option key={role} value={role}>{t(`operators.roles.${role}`)}</option>)}
              </CFormSelect>
            </div>
            <div className="hc-field">
              <CFormLabel htmlFor="operator-specialty">{t('operators.specialty')}</CFormLabel>
              <CFormSelect id="operator-specialty" value={fields.specialty} data-testid="operator-specialty" onChange={(event) => change({ specialty: event.target.value })}>
                <option value="">{t('operators.noSpecialty')}</option>
                {specialties?.map((each) => <option key={each.code} value={each.code}>{doctorName(each, i18n.language)}</option>)}
              </CFormSelect>
            </div>
          </div>
          <div className="hc-field">
            <CFormLabel htmlFor="operator-password">{t(operator ? 'operators.newPassword' : 'operators.password')}</CFormLabel>
            <CFormInput id="operator-password" type="text" value={fields.password} autoComplete="off" invalid={Boolean(errors.password)} data-testid="operator-password" text={t(operator ? 'operators.newPasswordHint' : 'operators.passwordHint')} onChange={(event) => change({ password: event.target.value })} />
            {errors.password && <div className="hc-field-error">{t(errors.password)}</div>}
          </div>
          {operator && (
            <CFormSwitch id="operator-enabled" label={t('operators.enabled')} checked={fields.enabled} onChange={(event) => change({ enabled: event.target.checked })} />
          )}
          {save.isError && <CAlert color="danger" className="hc-dialog-alert">{problemText(t, save.error)}</CAlert>}
        </CModalBody>
        <CModalFooter>
          <CButton color="secondary" variant="outline" onClick={dismiss}>{t('state.cancel')}</CButton>
          <CButton type="submit" color="primary" disabled={save.isPending} data-testid="operator-save">{t('state.save')}</CButton>
        </CModalFooter>
      </CForm>
    </CModal>
  );
}
