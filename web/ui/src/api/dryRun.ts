import { useQuery } from "@tanstack/react-query";
import { accepted, useSource } from "./client.ts";
import type { DryRun, Transaction } from "./schema.ts";

/** What an event would lead to, or why not: asked of the server, with no effect. */
export function useDryRun(payment: Transaction, event: "complete" | "cancel" | "fail" | "refund") {
  const { name, client } = useSource();
  return useQuery({
    queryKey: [name, "dry run", payment.id, payment.version, event],
    queryFn: async () => {
      const header = { "Idempotency-Key": "dry-run-dry-run" };
      const params = { path: { transaction: payment.id }, query: { dry_run: true }, header };
      const path = `/v1/transactions/{transaction}/${event}` as const;
      return accepted(await client.POST(path, { params, body: {} })) as DryRun;
    },
    staleTime: Infinity,
  });
}
