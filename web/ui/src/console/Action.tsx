import { useDryRun } from "../api/dryRun.ts";
import type { Transaction } from "../api/schema.ts";
import { useLanguage, useTexts, within } from "../shared/language.tsx";
import { STATUS } from "../payment/status.ts";
import { REASONS } from "./reasons.ts";

const texts = {
  leads: ["다음 상태:", "leads to"],
  chart: ["‘{}’에서는 갈 수 없는 단계", "the chart has no such step from ‘{}’"],
} as const;
type Props = {
  payment: Transaction;
  event: "complete" | "refund" | "cancel" | "fail";
  label: string;
  isBusy: boolean;
  onAct: () => void;
};

/** One event as a button, with what a dry run says about it. Disabled ones can still be reached. */
export function Action(props: Props) {
  const { payment, event, label, isBusy, onAct } = props;
  const { language } = useLanguage();
  const t = useTexts(texts);
  const dry = useDryRun(payment, event).data;
  const isAllowed = payment.allowed_events.includes(event) && dry?.accepted !== false;
  const name = (status: keyof typeof STATUS) => within(STATUS[status].name, language);
  const reason = REASONS[dry?.reason ?? ""];
  const why = reason ? within(reason, language) : t.chart.replace("{}", name(payment.status));
  const says = isAllowed ? dry?.target && `${t.leads} ‘${name(dry.target)}’` : dry && why;
  const id = `why-${event}`;
  return (
    <li>
      <button
        type="button"
        className={isAllowed ? "" : "quiet"}
        aria-disabled={!isAllowed || isBusy}
        aria-describedby={id}
        onClick={() => isAllowed && onAct()}
      >
        {label}
      </button>
      <span id={id} className="dim">{says}</span>
    </li>
  );
}
