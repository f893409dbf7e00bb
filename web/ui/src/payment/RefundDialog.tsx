import { type FormEvent, useState } from "react";
import { refund, useFire } from "../api/fire.ts";
import type { RefundRequest, Transaction } from "../api/schema.ts";
import { Dialog } from "../shared/Dialog.tsx";
import { useLanguage, useTexts } from "../shared/language.tsx";
import { money, wholeAmount } from "../shared/money.ts";
import { Trouble } from "../shared/Trouble.tsx";

const texts = {
  title: ["환불", "Refund"],
  amount: ["환불 금액", "Amount"],
  most: ["환불할 수 있는 금액:", "Can be refunded:"],
  reason: ["사유", "Reason"],
  go: ["환불하기", "Refund"],
  going: ["환불하는 중…", "Refunding…"],
  close: ["닫기", "Close"],
  wrong: ["1 이상이고 환불할 수 있는 금액 이하인 수를 적어 주십시오.", "Please give a whole number from 1 to what can be refunded."],
} as const;

/** Give money back. One dialog is one refund: a second press is the same one, by its key. */
export function RefundDialog(props: { payment: Transaction; onClose: () => void }) {
  const { payment, onClose } = props;
  const { language } = useLanguage();
  const t = useTexts(texts);
  const [key] = useState(() => `refund-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`);
  const [isWrong, setWrong] = useState(false);
  const give = useFire<RefundRequest>(payment.id, (client, body) => refund(client, payment.id, body, key));
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const amount = wholeAmount(String(form.get("amount")));
    const reason = String(form.get("reason")).trim();
    const isRight = amount !== null && amount <= payment.refundable_amount;
    setWrong(!isRight);
    if (isRight) give.press({ amount, ...(reason && { reason }) }, { onSuccess: onClose });
  };
  return (
    <Dialog title={t.title} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <p>{t.most} <strong>{money(payment.refundable_amount, payment.currency, language)}</strong></p>
        <label>{t.amount}
          <input name="amount" inputMode="numeric" autoComplete="off" required autoFocus
            onFocus={(event) => event.currentTarget.select()}
            defaultValue={payment.refundable_amount} aria-invalid={isWrong} aria-describedby="refund-wrong" />
        </label>
        <p id="refund-wrong" className="wrong" role="alert">{isWrong && t.wrong}</p>
        <label>{t.reason}<input name="reason" maxLength={200} autoComplete="off" /></label>
        {give.error && <Trouble error={give.error} />}
        <div className="actions">
          <button type="submit" aria-disabled={give.isPending}>{give.isPending ? t.going : t.go}</button>
          <button type="button" className="quiet" onClick={onClose}>{t.close}</button>
        </div>
      </form>
    </Dialog>
  );
}
