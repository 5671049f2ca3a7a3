import type { Operator, OperatorUpdate, Role } from '@housecall/sdk';

export type OperatorFields = {
  name: string;
  email: string;
  password: string;
  role: Role;
  specialty: string;
  enabled: boolean;
};

export type OperatorErrors = Partial<Record<'name' | 'email' | 'password', string>>;

const SHORTEST_PASSWORD = 10;

export function fieldsOf(operator: Operator | undefined): OperatorFields {
  return {
    name: operator?.name ?? '',
    email: operator?.email ?? '',
    password: '',
    role: operator?.role ?? 'doctor',
    specialty: operator?.specialty?.code ?? '',
    enabled: !operator?.disabled,
  };
}

/** Keys of words for what is wrong before the house is asked. */
export function checkOperator(fields: OperatorFields, isNew: boolean): OperatorErrors {
  const errors: OperatorErrors = {};
  if (!fields.name.trim()) errors.name = 'operators.nameNeeded';
  if (isNew && !/^\S+@\S+\.\S+$/.test(fields.email.trim())) errors.email = 'auth.emailWrong';
  const sets = isNew || fields.password !== '';
  if (sets && [...fields.password].length < SHORTEST_PASSWORD) errors.password = 'operators.passwordShort';
  return errors;
}

/** Only what was changed: a colleague may be editing the rest. */
export function changesOf(fields: OperatorFields, before: Operator): OperatorUpdate {
  const old = fieldsOf(before);
  return {
    ...(fields.name.trim() !== old.name && { name: fields.name.trim() }),
    ...(fields.role !== old.role && { role: fields.role }),
    ...(fields.specialty !== old.specialty && { specialty: fields.specialty }),
    ...(fields.enabled !== old.enabled && { disabled: !fields.enabled }),
    ...(fields.password !== '' && { password: fields.password }),
  };
}
