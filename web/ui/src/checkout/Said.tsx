import { useFire } from "../api/fire.ts";
import { fire } from "../api/fire.ts";
import type { Transaction } from "../api/schema.ts";
import { useLanguage, useTexts, within } from "../shared/language.tsx";
import { Notice } from "../shared/Notice.tsx";
import { isUnknown } from "../payment/status.ts";
import { FAILURES } from "../payment/words.ts";
import { Trouble } from "../shared/Trouble.tsx";
import { orderOf } from "./orders.ts";
import { payPage } from "./pay.ts";

const texts = {
  created: ["결제를 준비하고 있습니다.", "The payment is being prepared."],
  ready: ["카카오페이에서 결제를 마치면 이 페이지가 바뀝니다.", "Finish at KakaoPay; this page changes when you have."],
  go: ["결제 창으로", "To the payment page"],
  cancel: ["주문 취소", "Cancel the order"],
  unknown: [
    "카카오페이에 결과를 묻고 있습니다. 다시 결제하지 마십시오. 결과가 나오면 이 페이지가 스스로 바뀝니다.",
    "We are asking KakaoPay. Please do not pay again: this page changes by itself as soon as the truth is known.",
  ],
  cancelled: ["결제가 취소되었고, 청구된 금액은 없습니다.", "The payment was cancelled. You were not charged."],
  failed: ["결제되지 않았고, 청구된 금액은 없습니다.", "The payment failed. You were not charged."],
  expired: ["결제 시간이 지났고, 청구된 금액은 없습니다.", "The time to pay has passed. You were not charged."],
  captured_unwanted: ["닫힌 주문이 결제되었습니다. 전액 환불됩니다.", "A closed order was charged. It will be refunded in full."],
  review: ["사람이 이 결제를 확인하고 있습니다.", "A person is looking into this payment."],
} as const;

/** What the customer should know and do, in one sentence. */
export function Said(props: { payment: Transaction }) {
  const { status, failure, needs_review } = props.payment;
  const { language } = useLanguage();
  const t = useTexts(texts);
  if (status === "created") return <Notice kind="wait">{t.created}</Notice>;
  if (status === "ready") return <Ready payment={props.payment} />;
  if (isUnknown(status))
    return <Notice kind="wait">{t.unknown}{needs_review && ` ${t.review}`}</Notice>;
  const why = FAILURES[failure?.code ?? ""];
  if (status === "cancelled" || status === "failed" || status === "expired" || status === "captured_unwanted")
    return <Notice kind="plain">{why && within(why, language)} {t[status]}</Notice>;
  return needs_review ? <Notice kind="plain">{t.review}</Notice> : null;
}

function Ready(props: { payment: Transaction }) {
  const { payment } = props;
  const t = useTexts(texts);
  const cancel = useFire(payment.id, (client) => fire(client, payment.id, "cancel"));
  const page = payPage(payment, orderOf(payment.id)?.flow ?? "server");
  return (
    <>
      <Notice kind="wait">{t.ready}</Notice>
      {cancel.error && <Trouble error={cancel.error} />}
      <div className="actions">
        {page && <a className="button" href={page}>{t.go}</a>}
        <button type="button" className="quiet" aria-disabled={cancel.isPending} onClick={() => cancel.press(null)}>
          {t.cancel}
        </button>
      </div>
    </>
  );
}
