import { useSearchParams } from "wouter";
import { useTransactions } from "../api/transactions.ts";
import { useTexts } from "../shared/language.tsx";
import { Filters } from "./Filters.tsx";
import { filtersIn } from "./filters.ts";
import { Table } from "./Table.tsx";

const texts = {
  title: ["거래", "Transactions"],
  none: ["아직 거래가 없습니다. 첫 주문이 등록되면 여기에 나타납니다.", "No transactions yet. The first order appears here when it is registered."],
  noMatch: ["조건에 맞는 거래가 없습니다.", "No transaction matches these filters."],
} as const;

/** Transactions; the filters are the address, so that a view can be kept and sent. */
export function List() {
  const t = useTexts(texts);
  const [query] = useSearchParams();
  const filters = filtersIn(query);
  const found = useTransactions(filters);
  return (
    <section className="wide" aria-labelledby="list">
      <h1 id="list">{t.title}</h1>
      <Filters />
      <Table found={found} none={Object.keys(filters).length ? t.noMatch : t.none} />
    </section>
  );
}
