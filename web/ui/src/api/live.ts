import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useSource } from "./client.ts";
import type { Entry } from "./schema.ts";
import { follow } from "./stream.ts";
import { useTransaction } from "./transaction.ts";
import { grown, useTransitions } from "./transitions.ts";

const POLL_MS = 1_000;
/** Beside a stream: a connection can die without saying so. */
const CHECK_MS = 5_000;

/**
 * A transaction and its log, live: every page that shows one uses this and nothing else.
 * Entries come by a stream of server-sent events, or by a poll while there is none, and the
 * transaction is read again when the log has grown. An entry counts once, whichever way it came.
 */
export function useLive(transaction: string) {
  const { name } = useSource();
  const queries = useQueryClient();
  const isStreamed = useStream(transaction);
  const log = useTransitions(transaction, isStreamed ? CHECK_MS : POLL_MS);
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

/** Let streamed entries join the log; whether they come now. */
function useStream(transaction: string): boolean {
  const { name, base } = useSource();
  const queries = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    if (!transaction) return;
    const queryKey = [name, "transitions", transaction];
    const onEntry = (entry: Entry) => {
      const known = queries.getQueryData<Entry[]>(queryKey) ?? [];
      if (entry.seq > known.length + 1) void queries.invalidateQueries({ queryKey });
      else queries.setQueryData(queryKey, grown(known, [entry]));
    };
    const url = `${base}/v1/events?transaction=${encodeURIComponent(transaction)}`;
    return follow(url, { onEntry, onOpen: setOpen });
  }, [name, base, queries, transaction]);
  return isOpen;
}
