import { BrandMark } from './BrandMark';

/** The first moment of a visit, before it is known who is here. */
export function Splash() {
  return (
    <div className="splash">
      <BrandMark size={56} />
    </div>
  );
}
