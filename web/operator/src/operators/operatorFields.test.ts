import type { Operator } from '@housecall/sdk';
import { expect, test } from 'vitest';

import { changesOf, checkOperator, fieldsOf } from './operatorFields';

const before: Operator = {
  id: '1', name: 'Илья Петров', email: 'ilya@example.org', role: 'doctor', specialty: null,
  disabled: false, presence: 'online', active: 0,
};

test('a new operator needs a name, an address and a long password', () => {
  expect(checkOperator(fieldsOf(undefined), true)).toEqual({
    name: 'operators.nameNeeded', email: 'auth.emailWrong', password: 'operators.passwordShort',
  });
});

test('an empty password keeps the old one', () => {
  expect(checkOperator(fieldsOf(before), false)).toEqual({});
  expect(changesOf(fieldsOf(before), before)).toEqual({});
});

test('only changes are sent', () => {
  const fields = { ...fieldsOf(before), specialty: 'therapy', enabled: false };
  expect(changesOf(fields, before)).toEqual({ specialty: 'therapy', disabled: true });
});
