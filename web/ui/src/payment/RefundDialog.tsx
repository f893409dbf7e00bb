import { type FormEvent, useState } from "react";
import { Refused } from "../api/client.ts";
import { refund, useFire } from "../api/fire.ts";
import type { RefundRequest, Transaction } from "../api/schema.ts";
import { Dialog } from "../shared/Dialog.tsx";
import { useLanguage, useTexts } from "../shared/language.tsx";
import { money, wholeAmount } from "../shared/money.ts";
import { Trouble } from "../shared/Trouble.tsx";
import { AmountField } from "./AmountField.tsx";
import { freeBounds, leftOf, usualFree } from "./refund.ts";

const texts = {
  title: ["환불", "Refund"],
  amount: ["환불 금액", "Amount"],
  most: ["환불할 수 있는 금액:", "Can be refunded:"],
  free: ["그중 비과세", "Of it, tax free"],
  reason: ["사유 (선택)", "Reason (optional)"],
  go: ["환불하기", "Refund"],
  going: ["환불하는 중…", "Refunding…"],
  close: ["닫기", "Close"],
  range: ["이 범위의 금액을 적어 주십시오:", "Please give an amount in this range:"],
} as const;

/** Give money back. A second press is the same refund, by its key. */
export function RefundDialog(props: { payment: Transaction; onClose: () => void }) {
  const { payment, onClose } = props;
  const { language } = useLanguage();
  const t = useTexts(texts);
  const [key, setKey] = useState(newKey);
  const left = leftOf(payment);
  const [amountText, setAmount] = useState(String(left.amount));
  const [freeText, setFree] = useState<string | null>(null); // null: it follows the amount
  const [isAsked, setAsked] = useState(false);
  const give = useFire<RefundRequest>(payment.id, (client, body) => refund(client, payment.id, body, key));

  const amount = within(wholeAmount(amountText), 1, left.amount);
  const [least, most] = freeBounds(left, amount ?? 0);
  const shownFree = freeText ?? (amount === null ? "" : String(usualFree(left, amount)));
  const free = within(wholeAmount(shownFree), least, most);
  const show = (value: number) => money(value, payment.currency, language);
  const range = (from: number, to: number) => isAsked && `${t.range} ${show(from)} – ${show(to)}`;

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setAsked(true);
    const reason = String(new FormData(event.currentTarget).get("reason")).trim();
    if (amount === null || (left.free > 0 && free === null)) return;
    // The refund that empties takes what is left of each, which the server knows best.
    const part = left.free > 0 && amount < left.amount && { tax_free_amount: free };
    const onError = (error: Error) => isDecided(error) && setKey(newKey());
    give.press({ amount, ...part, ...(reason && { reason }) }, { onSuccess: onClose, onError });
  };
  return (
    <Dialog title={t.title} onClose={onClose}>
      <form onSubmit={submit} noValidate>
        <p>
          {t.most} <strong>{show(left.amount)}</strong>
          {left.free > 0 && <><br /><span className="dim">{t.free} {show(left.free)}</span></>}
        </p>
        <AmountField name="amount" label={t.amount} value={amountText} onChange={setAmount} autoFocus
          wrong={amount === null && range(1, left.amount)} />
        {left.free > 0 && (
          <AmountField name="tax_free_amount" label={t.free} value={shownFree} onChange={setFree}
            wrong={amount !== null && free === null && range(least, most)} />
        )}
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

const newKey = () => `refund-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;

/** Refused for what it asked, so that another amount is another refund. Else it may have happened. */
const isDecided = (error: Error) =>
  error instanceof Refused && error.status === 422 && error.code !== "idempotency_key_reused";

function within(value: number | null, least: number, most: number): number | null {
  return value !== null && least <= value && value <= most ? value : null;
}
