import { useBrand } from '../api/queries';

/** The brand's own mark, or the built-in cross. */
export function BrandMark({ size = 36 }: { size?: number }) {
  const { data: brand } = useBrand();
  if (brand?.logo_url) return <img src={brand.logo_url} width={size} height={size} alt="" />;
  return (
    <svg className="hc-brand-mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" />
      <path d="M16 10v12M10 16h12" />
    </svg>
  );
}
