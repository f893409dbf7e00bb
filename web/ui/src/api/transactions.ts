import { infiniteQueryOptions, useInfiniteQuery } from "@tanstack/react-query";
import { accepted, useSource } from "./client.ts";
import type { paths } from "./schema.ts";

export type Filters = Omit<
  NonNullable<paths["/v1/transactions"]["get"]["parameters"]["query"]>,
  "cursor" | "limit"
>;
const PAGE = 25;
const FRESH_MS = 5_000;

/** The merchant's transactions that fit the filters, newest first, page after page. */
export function useTransactions(filters: Filters) {
  const { name, client } = useSource();
  return useInfiniteQuery(
    infiniteQueryOptions({
      queryKey: [name, "transactions", filters],
      queryFn: async ({ pageParam }) => {
        const cursor = pageParam ? { cursor: pageParam } : {};
        const query = { ...filters, ...cursor, limit: PAGE };
        return accepted(await client.GET("/v1/transactions", { params: { query } }));
      },
      initialPageParam: "",
      getNextPageParam: (page) => page.next_cursor,
      refetchInterval: FRESH_MS,
    }),
  );
}
