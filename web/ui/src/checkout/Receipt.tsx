import { useEffect } from "react";
import { Link, useSearchParams } from "wouter";
import { isMissing } from "../api/client.ts";
import { useLive } from "../api/live.ts";
import type { Transaction } from "../api/schema.ts";
import { Proof } from "../log/Proof.tsx";
import { Amounts } from "../payment/Amounts.tsx";
import { useTexts } from "../shared/language.tsx";
import { isPaid, isUnknown } from "../payment/status.ts";
import { Status } from "../payment/Status.tsx";
import { NotFound } from "../shared/NotFound.tsx";
import { Trouble } from "../shared/Trouble.tsx";
import { Waiting } from "../shared/Waiting.tsx";
import { BackOffice } from "./BackOffice.tsx";
import { leaveCart } from "./orders.ts";
import { Said } from "./Said.tsx";

const texts = {
  receipt: ["영수증", "Receipt"],
  order: ["주문", "Order"],
  again: ["다시 주문하기", "Order again"],
  home: ["장바구니로", "To the cart"],
} as const;

/** An order, whatever became of it: what Strada says now, never what the address says. */
export function Receipt(props: { home: string }) {
  const transaction = useSearchParams()[0].get("transaction_id") ?? "";
  const t = useTexts(texts);
  const { payment, entries, error, isLost } = useLive(transaction);
  const isSettled = payment && payment.status !== "created" && payment.status !== "ready";
  useEffect(() => {
    if (isSettled) leaveCart();
  }, [isSettled]);
  if (!transaction || (!payment && isMissing(error))) return <NotFound home={props.home} label={t.home} />;
  if (!payment) return error ? <Trouble error={error} /> : <Waiting />;
  return (
    <>
      <section className="card receipt" aria-labelledby="receipt">
        <p><Status status={payment.status} /></p>
        <h1 id="receipt">{hasReceipt(payment) ? t.receipt : t.order}</h1>
        {isLost && <Trouble error={null} />}
        <Said payment={payment} />
        <p className="item">{payment.item_name}</p>
        <Amounts payment={payment} />
        {isSettled && !isUnknown(payment.status) && (
          <Link href={props.home} className="button quiet">{t.again}</Link>
        )}
      </section>
      {hasReceipt(payment) && <BackOffice payment={payment} />}
      {hasReceipt(payment) && <Proof entries={entries} />}
    </>
  );
}

const hasReceipt = ({ status }: Transaction) => isPaid(status) || status === "refunding";
