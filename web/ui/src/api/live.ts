import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useSource } from "./client.ts";
import { useTransaction } from "./transaction.ts";
import { useTransitions } from "./transitions.ts";

/**
 * A transaction and its log, live: every page that shows one uses this and nothing else.
 * It polls the log, and reads the transaction again when the log has grown. A stream of events
 * can take the poll's place here without any page knowing.
 */
export function useLive(transaction: string) {
  const { name } = useSource();
  const queries = useQueryClient();
  const log = useTransitions(transaction);
  const payment = useTransaction(transaction);
  const seq = log.data?.at(-1)?.seq ?? 0;
  useEffect(() => {
    if (seq) void queries.invalidateQueries({ queryKey: [name, "transaction", transaction] });
  }, [name, queries, seq, transaction]);
  return {
    payment: payment.data,
    entries: log.data ?? [],
    error: payment.error ?? log.error,
    isLost: log.isError || log.fetchStatus === "paused",
  };
}
