import { useEffect, useState } from "react";
import { Link, useLocation } from "wouter";
import { useTexts } from "../shared/language.tsx";
import { Notice } from "../shared/Notice.tsx";
import { Trouble } from "../shared/Trouble.tsx";
import { whenSeen } from "../shared/whenSeen.ts";
import { orderBy } from "./orders.ts";
import { comeBack, type Leg } from "./pay.ts";

const texts = {
  approving: ["결제를 승인하고 있습니다…", "Approving your payment…"],
  closing: ["주문을 정리하고 있습니다…", "Closing the order…"],
  unknown: [
    "이 브라우저에서 시작한 주문이 아닙니다. 결제를 시작한 브라우저로 돌아가 주십시오.",
    "This browser did not start this order. Please return to the one that did.",
  ],
  home: ["장바구니로", "To the cart"],
  see: ["주문 상태 보기", "See the order"],
} as const;
type Props = { leg: Leg | null; number: string; token: string | null; receipt: string };
const under_way = new Map<string, Promise<void>>();

/** Back from the gateway: do what the leg asks once, then show the receipt, which tells the truth. */
export function Back(props: Props) {
  const { leg, number, token, receipt } = props;
  const t = useTexts(texts);
  const [, navigate] = useLocation();
  const [error, setError] = useState<unknown>(null);
  const order = orderBy(number);
  const to = order && `${receipt}?transaction_id=${order.transaction}`;
  useEffect(() => {
    if (!order || !to || !leg) return;
    let current = true;
    once(`${leg} ${number} ${token}`, () => comeBack(order, leg, token)).then(
      () => current && navigate(to, { replace: true }),
      (reason: unknown) => current && setError(reason),
    );
    return () => {
      current = false;
    };
  }, [leg, navigate, number, token, to]);
  if (!to || !leg) return <Notice kind="bad">{t.unknown} <Link href="/demo">{t.home}</Link></Notice>;
  if (!error) return <Notice kind="wait">{leg === "paid" ? t.approving : t.closing}</Notice>;
  return (
    <>
      <Trouble error={error} />
      <Link href={to} replace className="button">{t.see}</Link>
    </>
  );
}

/** One attempt for each return, however often the page is drawn; none while it is only prerendered. */
function once(name: string, run: () => Promise<void>): Promise<void> {
  const found = under_way.get(name) ?? whenSeen().then(run);
  under_way.set(name, found);
  return found;
}
