import { cilPhone } from '@coreui/icons';

import { Icon } from '../ui/Icon';

/** A handset put down. */
export function HangUpIcon({ size = 20 }: { size?: number }) {
  return <Icon icon={cilPhone} size={size} className="hc-hang-up-icon" />;
}
