import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { accepted, type Client, useSource } from "./client.ts";
import type { Entry, EntryList } from "./schema.ts";

const POLL_MS = 1_000;

/** Everything in the log after an entry. */
async function entriesAfter(client: Client, transaction: string, seq: number): Promise<Entry[]> {
  const found: Entry[] = [];
  let after: number | null = seq;
  while (after !== null) {
    const page: EntryList = accepted(
      await client.GET("/v1/transactions/{transaction}/transitions", {
        params: { path: { transaction }, query: after ? { cursor: String(after) } : {} },
      }),
    );
    found.push(...page.data);
    after = page.has_more ? Number(page.next_cursor) : null;
  }
  return found;
}

/** The log of a transaction, growing: asked once a second for what came since. */
export function useTransitions(transaction: string) {
  const { name, client } = useSource();
  const queries = useQueryClient();
  const queryKey = [name, "transitions", transaction];
  return useQuery(
    queryOptions({
      queryKey,
      queryFn: async () => {
        const known = queries.getQueryData<Entry[]>(queryKey) ?? [];
        const news = await entriesAfter(client, transaction, known.at(-1)?.seq ?? 0);
        return news.length ? [...known, ...news] : known; // the same value draws nothing anew
      },
      refetchInterval: POLL_MS,
    }),
  );
}
