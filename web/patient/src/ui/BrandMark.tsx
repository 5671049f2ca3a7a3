import { useBrand } from '../app/queries';

/** The brand's logo, or the built-in mark: a speech bubble with a cross. */
export function BrandMark({ size }: { size: number }) {
  const { data } = useBrand();
  if (data?.logo_url) return <img src={data.logo_url} alt="" width={size} height={size} />;
  return (
    <svg className="brand-mark" width={size} height={size} viewBox="0 0 48 48" aria-hidden="true">
      <rect width="48" height="48" rx="14" />
      <path d="M14 13h20a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4H23l-7 6v-6h-2a4 4 0 0 1-4-4V17a4 4 0 0 1 4-4Z" />
      <path className="cross" d="M24 17.5v11M18.5 23h11" />
    </svg>
  );
}
