import { useId } from "react";

type Props = {
  name: string;
  label: string;
  value: string;
  onChange: (text: string) => void;
  /** What is wrong with it, in words, once that should be said. */
  wrong: string | false;
  autoFocus?: boolean;
};

/** A field for an amount, and what is wrong with it. */
export function AmountField(props: Props) {
  const { name, label, value, onChange, wrong, autoFocus } = props;
  const id = useId();
  return (
    <>
      <label>{label}
        <input name={name} inputMode="numeric" autoComplete="off" required autoFocus={autoFocus}
          value={value} onChange={(event) => onChange(event.currentTarget.value)}
          onFocus={(event) => event.currentTarget.select()}
          aria-invalid={wrong !== false} aria-describedby={id} />
      </label>
      <p id={id} className="wrong" role="alert">{wrong}</p>
    </>
  );
}
