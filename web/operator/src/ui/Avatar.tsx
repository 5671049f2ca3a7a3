import { hashOf, initials } from './initials';

import './avatar.css';

// White text passes 4.5:1 on each of them.
const COLOURS = [
  '#4f5fb5', '#a94a44', '#2f7a59', '#7d6233', '#754a96', '#a8562a', '#2b7190', '#8a3f6b',
];

type Props = {
  id: string;
  name: string;
  size?: number;
  /** Draws the dot of presence. */
  presence?: 'online' | 'busy' | 'away' | 'offline';
};

/** A person's initials on a colour that stays theirs. Decorative: the name stands beside it. */
export function Avatar({ id, name, size = 40, presence }: Props) {
  const background = COLOURS[hashOf(id) % COLOURS.length];
  const style = { width: size, height: size, fontSize: Math.round(size * 0.36), background };
  return (
    <span className="hc-avatar" style={style} aria-hidden="true">
      {initials(name)}
      {presence && presence !== 'offline' && <i className={`hc-avatar-dot is-${presence}`} />}
    </span>
  );
}
