import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useSource } from "../api/client.ts";
import { readTransaction } from "../api/transaction.ts";
import { useTexts } from "../shared/language.tsx";
import { Notice } from "../shared/Notice.tsx";
import { isOver } from "../payment/status.ts";
import { Status } from "../payment/Status.tsx";
import { type Flow, orders } from "./orders.ts";

const texts = {
  open: ["진행 중인 주문이 있습니다:", "An order is under way:"],
  last: ["지난 주문:", "Your last order:"],
  see: ["보기", "See it"],
} as const;

/** The newest order of this browser: after a closed tab, or the back button. */
export function UnderWay(props: { flow: Flow }) {
  const t = useTexts(texts);
  const { client } = useSource();
  const isApp = props.flow === "app";
  const last = orders().find(({ flow }) => (flow === "app") === isApp);
  const found = useQuery({
    queryKey: ["under way", last?.transaction],
    queryFn: () => readTransaction(client, last!.transaction),
    enabled: last !== undefined,
  });
  const status = found.data?.status;
  if (!last || !status || isOver(status)) return null;
  const isOpen = status === "created" || status === "ready" || status === "approving";
  return (
    <Notice kind="plain">
      {isOpen ? t.open : t.last} <Status status={status} />{" "}
      <Link href={`${isApp ? "/demo/app" : "/demo"}/receipt?transaction_id=${last.transaction}`}>{t.see}</Link>
    </Notice>
  );
}
