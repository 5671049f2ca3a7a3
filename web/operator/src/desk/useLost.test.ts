import type { ChatItem, SystemEvent } from '@housecall/sdk';
import { expect, test } from 'vitest';

import { claimedBy } from './useLost';

const event = (body: SystemEvent) => ({ body: { kind: 'system', event: body } }) as ChatItem;
const claimed = (consultation: string, name: string) =>
  event({ event: 'consultation_claimed', consultation, operator: name, operator_name: name, waited_s: 1 });

test('the last claim of that consultation counts', () => {
  const items = [claimed('a', 'Илья'), claimed('b', 'Ольга'), claimed('a', 'Мария')];
  expect(claimedBy(items, 'a')).toBe('Мария');
  expect(claimedBy(items, 'b')).toBe('Ольга');
  expect(claimedBy(items, 'c')).toBeUndefined();
});
