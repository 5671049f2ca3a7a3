import { ApiError } from '@housecall/sdk';
import i18next from 'i18next';

export type FieldErrors = { email?: string; password?: string };

/** Keys of words for what is wrong before the house is asked. */
export function checkSignIn(email: string, password: string): FieldErrors {
  const errors: FieldErrors = {};
  if (!email.trim()) errors.email = 'auth.emailNeeded';
  else if (!/^\S+@\S+\.\S+$/.test(email.trim())) errors.email = 'auth.emailWrong';
  if (!password) errors.password = 'auth.passwordNeeded';
  return errors;
}

/** Here a 401 is a wrong password, not an expired session. */
export function refusalText(error: unknown): string | undefined {
  if (error instanceof ApiError && error.status === 401) return i18next.t('problem.credentials');
  return undefined;
}
