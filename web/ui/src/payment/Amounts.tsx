import type { Refund, Transaction } from "../api/schema.ts";
import { type Pair, useLanguage, useTexts, within } from "../shared/language.tsx";
import { money } from "../shared/money.ts";
import { moment } from "../shared/time.ts";

const texts = {
  order: ["주문 번호", "Order"],
  method: ["결제 수단", "Method"],
  amount: ["주문 금액", "Amount"],
  supply: ["공급가액", "Net of VAT"],
  vat: ["부가세", "VAT"],
  free: ["비과세", "Tax free"],
  captured: ["승인 금액", "Captured"],
  at: ["승인 시각", "Approved at"],
  reference: ["카카오페이 tid", "KakaoPay tid"],
  refund: ["환불", "Refund"],
  kept: ["남은 금액", "Kept"],
} as const;
const METHODS: Readonly<Record<string, Pair>> = {
  MONEY: ["카카오페이머니", "money"],
  CARD: ["카드", "card"],
};
const REFUND: Readonly<Record<Refund["status"], Pair>> = {
  settled: ["완료", "settled"],
  pending: ["확인 중", "being confirmed"],
  rejected: ["거절됨", "rejected"],
};

/** The figures of a payment, as a receipt has them. */
export function Amounts(props: { payment: Transaction }) {
  const { payment } = props;
  const { language } = useLanguage();
  const t = useTexts(texts);
  const show = (amount: number) => money(amount, payment.currency, language);
  const method = payment.payment_method && METHODS[payment.payment_method];
  const rows: [string, string, string?][] = [
    [t.order, payment.order_id ?? "—", "mono"],
    [t.method, `KakaoPay${method ? ` · ${within(method, language)}` : ""}`],
  ];
  if (payment.provider_ref) rows.push([t.reference, payment.provider_ref, "mono"]);
  if (payment.approved_at) rows.push([t.at, moment(payment.approved_at, language)]);
  rows.push([t.supply, show(payment.amount - payment.vat_amount - payment.tax_free_amount)]);
  rows.push([t.vat, show(payment.vat_amount)]);
  if (payment.tax_free_amount) rows.push([t.free, show(payment.tax_free_amount)]);
  rows.push([t.amount, show(payment.amount), "strong"]);
  if (payment.captured_amount) rows.push([t.captured, show(payment.captured_amount), "strong"]);
  for (const refund of payment.refunds ?? [])
    rows.push([`${t.refund} · ${within(REFUND[refund.status], language)}`, show(-refund.amount)]);
  if (payment.refunded_amount)
    rows.push([t.kept, show(payment.captured_amount - payment.refunded_amount), "strong"]);
  return (
    <dl className="amounts">
      {rows.map(([name, value, kind], at) => (
        <div key={at} className={kind === "strong" ? kind : undefined}>
          <dt>{name}</dt>
          <dd className={kind === "mono" ? "figure mono" : "figure"}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
