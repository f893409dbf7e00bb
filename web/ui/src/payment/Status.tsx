import type { Status as Name } from "../api/schema.ts";
import { useLanguage, within } from "../shared/language.tsx";
import { STATUS } from "./status.ts";

/** The state of a payment, as a coloured word. */
export function Status(props: { status: Name }) {
  const { language } = useLanguage();
  const { kind, name } = STATUS[props.status];
  return (
    <span className={`badge ${kind}`} data-status={props.status}>
      {within(name, language)}
    </span>
  );
}
