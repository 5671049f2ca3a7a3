import { useId } from 'react';

interface Props<T extends string> {
  legend: string;
  testId: string;
  value: T;
  options: { value: T; label: string }[];
  onChange: (value: T) => void;
}

/** One choice of few, all visible. */
export function Segments<T extends string>({ legend, testId, value, options, onChange }: Props<T>) {
  const name = useId();
  return (
    <fieldset className="segments">
      <legend>{legend}</legend>
      <div className="segments-track">
        {options.map((option) => (
          <label key={option.value}>
            <input
              type="radio"
              name={name}
              checked={option.value === value}
              data-testid={`${testId}-${option.value}`}
              onChange={() => onChange(option.value)}
            />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
