import { useState } from "react";
import { ask } from "../api/client.ts";
import { fire, useFire } from "../api/fire.ts";
import type { Transaction } from "../api/schema.ts";
import { useTexts } from "../shared/language.tsx";
import { RefundDialog } from "../payment/RefundDialog.tsx";
import { usePress } from "../shared/usePress.ts";
import { Trouble } from "../shared/Trouble.tsx";

const texts = {
  title: ["상점 관리", "The shop's back office"],
  complete: ["구매 확정", "Confirm delivery"],
  refund: ["환불…", "Refund…"],
  console: ["콘솔에서 보기", "See it in the console"],
} as const;

/** What the shop, not the customer, does with a paid order. */
export function BackOffice(props: { payment: Transaction }) {
  const { id, allowed_events, completed_at, refundable_amount } = props.payment;
  const t = useTexts(texts);
  const [isRefunding, setRefunding] = useState(false);
  const complete = useFire(id, (client) => fire(client, id, "complete"));
  const enter = usePress({
    key: ["enter"],
    run: () => ask("POST", "/demo/api/console", {}),
    onSuccess: () => location.assign(`/console/transactions/${id}`),
  });
  return (
    <section className="card" aria-labelledby="office">
      <h2 id="office">{t.title}</h2>
      {complete.error && <Trouble error={complete.error} />}
      <div className="actions">
        {allowed_events.includes("complete") && !completed_at && (
          <button type="button" aria-disabled={complete.isPending} onClick={() => complete.press(null)}>
            {t.complete}
          </button>
        )}
        {allowed_events.includes("refund") && refundable_amount > 0 && (
          <button type="button" className="quiet" onClick={() => setRefunding(true)}>{t.refund}</button>
        )}
        <button type="button" className="quiet" onClick={() => enter.press(null)}>{t.console}</button>
      </div>
      {isRefunding && <RefundDialog payment={props.payment} onClose={() => setRefunding(false)} />}
    </section>
  );
}
