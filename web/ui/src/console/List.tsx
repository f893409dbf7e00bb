import { useSearchParams } from "wouter";
import { useTransactions } from "../api/transactions.ts";
import { useTexts } from "../shared/language.tsx";
import { Filters } from "./Filters.tsx";
import { filtersIn } from "./filters.ts";
import { Table } from "./Table.tsx";

const texts = { title: ["거래", "Transactions"] } as const;

/** Transactions; the filters are the address, so that a view can be kept and sent. */
export function List() {
  const t = useTexts(texts);
  const [query] = useSearchParams();
  const found = useTransactions(filtersIn(query));
  return (
    <section className="wide" aria-labelledby="list">
      <h1 id="list">{t.title}</h1>
      <Filters />
      <Table found={found} />
    </section>
  );
}
