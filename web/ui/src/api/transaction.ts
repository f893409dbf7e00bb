import { queryOptions, useQuery } from "@tanstack/react-query";
import { accepted, type Client, useSource } from "./client.ts";
import type { Transaction } from "./schema.ts";

export async function readTransaction(client: Client, transaction: string): Promise<Transaction> {
  const path = { transaction };
  return accepted(await client.GET("/v1/transactions/{transaction}", { params: { path } }));
}

/** One transaction as it stands. `useLive` keeps it fresh. */
export function useTransaction(transaction: string) {
  const { name, client } = useSource();
  return useQuery(
    queryOptions({
      queryKey: [name, "transaction", transaction],
      queryFn: () => readTransaction(client, transaction),
      refetchInterval: (query) => (query.state.error ? 2_000 : false),
    }),
  );
}
