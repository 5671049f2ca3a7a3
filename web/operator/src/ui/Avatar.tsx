import { avatarColor, initials, type PresenceStatus } from '@housecall/sdk';

import './avatar.css';

type Props = {
  id: string;
  name: string;
  size?: number;
  /** Draws the dot of presence. */
  presence?: PresenceStatus | undefined;
};

/** A person's initials on a colour that stays theirs. Decorative: the name stands beside it. */
export function Avatar({ id, name, size = 40, presence }: Props) {
  const style = {
    width: size,
    height: size,
    fontSize: Math.round(size * 0.36),
    background: avatarColor(id),
  };
  return (
    <span className="hc-avatar" style={style} aria-hidden="true">
      {initials(name) || '?'}
      {presence && presence !== 'offline' && <i className={`hc-avatar-dot is-${presence}`} />}
    </span>
  );
}
