import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { accepted, type Client, useSource } from "./client.ts";
import type { Entry, EntryList } from "./schema.ts";

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

/** A log with what is new to it, each entry once; the same value, which draws nothing anew, if none. */
export function grown(known: Entry[], found: readonly Entry[]): Entry[] {
  const last = known.at(-1)?.seq ?? 0;
  const news = found.filter(({ seq }) => seq > last);
  return news.length ? [...known, ...news] : known;
}

/** The log of a transaction, growing: asked every so often for what came since. */
export function useTransitions(transaction: string, everyMs: number) {
  const { name, client } = useSource();
  const queries = useQueryClient();
  const queryKey = [name, "transitions", transaction];
  return useQuery(
    queryOptions({
      queryKey,
      queryFn: async () => {
        const known = () => queries.getQueryData<Entry[]>(queryKey) ?? [];
        const found = await entriesAfter(client, transaction, known().at(-1)?.seq ?? 0);
        return grown(known(), found); // as it is by now: a stream may have brought more meanwhile
      },
      refetchInterval: everyMs,
    }),
  );
}
