import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { Source, sourceAt } from "../src/api/client.ts";
import type { Transaction } from "../src/api/schema.ts";
import { LanguageProvider } from "../src/shared/language.tsx";

/** A component on a page of its own; the network is `fetch`, for a test to replace. */
export function show(children: ReactNode) {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(
    <QueryClientProvider client={queries}>
      <LanguageProvider language="en">
        <Source value={sourceAt("test", "/console")}>{children}</Source>
      </LanguageProvider>
    </QueryClientProvider>,
  );
}

/** A payment, approved unless told otherwise. */
export function payment(changes: Partial<Transaction> = {}): Transaction {
  return {
    id: "txn_00000000000000000000000000",
    object: "transaction",
    status: "approved",
    version: 4,
    order_id: "order-1",
    item_name: "초코파이",
    currency: "KRW",
    amount: 12_000,
    vat_amount: 1_091,
    tax_free_amount: 0,
    captured_amount: 12_000,
    refunded_amount: 0,
    refundable_amount: 12_000,
    allowed_events: ["complete", "refund"],
    refunds: [],
    next_action: null,
    pending: null,
    needs_review: null,
    failure: null,
    ...changes,
  } as Transaction;
}

export const json = (body: unknown, status = 200) =>
  Promise.resolve(new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } }));
