import CIcon from '@coreui/icons-react';

type Props = {
  icon: string[];
  size?: number;
  /** Struck through: the thing is switched off. */
  off?: boolean;
  className?: string;
};

/** A decorative icon; the control that holds it carries the words. */
export function Icon({ icon, size = 20, off = false, className }: Props) {
  return (
    <span
      className={`hc-icon${off ? ' is-off' : ''}${className ? ` ${className}` : ''}`}
      style={{ width: size, height: size }}
      aria-hidden="true"
    >
      <CIcon icon={icon} width={size} height={size} style={{ width: size, height: size }} />
    </span>
  );
}
