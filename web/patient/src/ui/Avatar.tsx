import { avatarColor, initials } from '@housecall/sdk';

interface Props {
  id: string;
  name: string;
  size?: number;
  online?: boolean | undefined;
}

export function Avatar({ id, name, size = 44, online }: Props) {
  return (
    <span className="avatar" style={{ width: size, height: size, fontSize: size * 0.38, background: avatarColor(id) }} aria-hidden="true">
      {initials(name)}
      {online && <span className="avatar-dot" />}
    </span>
  );
}
