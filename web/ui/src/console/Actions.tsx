import { useState } from "react";
import { fire, type Plain, useFire } from "../api/fire.ts";
import type { Transaction } from "../api/schema.ts";
import { useTexts } from "../shared/language.tsx";
import { RefundDialog } from "../payment/RefundDialog.tsx";
import { Trouble } from "../shared/Trouble.tsx";
import { Action } from "./Action.tsx";

const texts = {
  title: ["할 수 있는 일", "Actions"],
  complete: ["구매 확정", "Complete"],
  refund: ["환불…", "Refund…"],
  cancel: ["취소", "Cancel"],
  fail: ["실패 처리", "Mark as failed"],
} as const;
const EVENTS = ["complete", "refund", "cancel", "fail"] as const;

/** What the merchant can do. An event that is not possible now says why. */
export function Actions(props: { payment: Transaction }) {
  const { payment } = props;
  const t = useTexts(texts);
  const [isRefunding, setRefunding] = useState(false);
  const act = useFire<Plain>(payment.id, (client, event) => fire(client, payment.id, event));
  return (
    <section className="card" aria-labelledby="actions">
      <h2 id="actions">{t.title}</h2>
      {act.error && <Trouble error={act.error} />}
      <ul className="events">
        {EVENTS.map((event) => (
          <Action
            key={event}
            payment={payment}
            event={event}
            label={t[event]}
            isBusy={act.isPending}
            onAct={() => (event === "refund" ? setRefunding(true) : act.press(event))}
          />
        ))}
      </ul>
      {isRefunding && <RefundDialog payment={payment} onClose={() => setRefunding(false)} />}
    </section>
  );
}
