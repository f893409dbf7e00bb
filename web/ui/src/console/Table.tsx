import { Link } from "wouter";
import type { Transaction } from "../api/schema.ts";
import type { useTransactions } from "../api/transactions.ts";
import { useLanguage, useTexts } from "../shared/language.tsx";
import { money } from "../shared/money.ts";
import { Status } from "../payment/Status.tsx";
import { moment } from "../shared/time.ts";
import { Trouble } from "../shared/Trouble.tsx";
import { Waiting } from "../shared/Waiting.tsx";

const texts = {
  created: ["등록", "Created"],
  order: ["주문", "Order"],
  item: ["상품", "Item"],
  status: ["상태", "State"],
  amount: ["금액", "Amount"],
  refunded: ["환불", "Refunded"],
  more: ["더 보기", "More"],
  review: ["확인 필요", "Needs review"],
} as const;

/** Transactions line by line; on a narrow screen each is a small card. */
export function Table(props: { found: ReturnType<typeof useTransactions>; none: string }) {
  const { found } = props;
  const t = useTexts(texts);
  if (!found.data) return found.isError ? <Trouble error={found.error} /> : <Waiting />;
  const rows = found.data.pages.flatMap((page) => page.data);
  if (!rows.length) return <p className="none">{props.none}</p>;
  return (
    <>
      {found.isError && <Trouble error={found.error} />}
      <div className="scroll" tabIndex={0} role="group" aria-label={t.order}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t.created}</th>
              <th scope="col">{t.order}</th>
              <th scope="col">{t.item}</th>
              <th scope="col">{t.status}</th>
              <th scope="col" className="number">{t.amount}</th>
              <th scope="col" className="number">{t.refunded}</th>
            </tr>
          </thead>
          <tbody>{rows.map((row) => <Line key={row.id} row={row} />)}</tbody>
        </table>
      </div>
      {found.hasNextPage && (
        <button type="button" className="quiet" onClick={() => void found.fetchNextPage()}>{t.more}</button>
      )}
    </>
  );
}

function Line(props: { row: Transaction }) {
  const { row } = props;
  const { language } = useLanguage();
  const t = useTexts(texts);
  const show = (amount: number) => money(amount, row.currency, language);
  return (
    <tr>
      <td className="nowrap dim when">{moment(row.created_at, language)}</td>
      <td className="order"><Link href={`/console/transactions/${row.id}`} className="mono">{row.order_id ?? row.id}</Link></td>
      <td className="item">{row.item_name ?? "—"}</td>
      <td className="nowrap state">
        <Status status={row.status} /> {row.needs_review && <span className="badge bad">{t.review}</span>}
      </td>
      <td className="number amount">{show(row.amount)}</td>
      <td className="number back">{row.refunded_amount ? show(-row.refunded_amount) : ""}</td>
    </tr>
  );
}
