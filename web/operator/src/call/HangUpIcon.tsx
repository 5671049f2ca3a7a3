
import { Icon } from '../ui/Icon';
import { iconPhone } from '../ui/icons';

/** A handset put down. */
export function HangUpIcon({ size = 20 }: { size?: number }) {
  return <Icon icon={iconPhone} size={size} className="hc-hang-up-icon" />;
}
