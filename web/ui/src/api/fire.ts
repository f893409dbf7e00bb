import { useQueryClient } from "@tanstack/react-query";
import { usePress } from "../shared/usePress.ts";
import { accepted, type Client, useSource } from "./client.ts";
import type { DryRun, RefundRequest, Transaction } from "./schema.ts";

type Answer = Transaction | DryRun;
export type Plain = "ready" | "complete" | "cancel" | "fail";

/** Fire an event on a transaction, and wait for the answer. */
export async function fire(
  client: Client,
  transaction: string,
  event: Plain,
  body: { reason?: string; provider_ref?: string } = {},
): Promise<Answer> {
  const params = { path: { transaction } };
  return accepted(
    await client.POST(`/v1/transactions/{transaction}/${event}`, { params, body }),
  );
}

/** Give money back; the key makes a second press the same refund. */
export async function refund(
  client: Client,
  transaction: string,
  body: RefundRequest,
  key: string,
): Promise<Answer> {
  const params = { path: { transaction }, header: { "Idempotency-Key": key } };
  return accepted(await client.POST("/v1/transactions/{transaction}/refund", { params, body }));
}

/** Approve with what the gateway handed over. */
export async function approve(
  client: Client,
  transaction: string,
  body: { pg_token?: string; provider_ref?: string },
): Promise<Answer> {
  const params = { path: { transaction } };
  return accepted(await client.POST("/v1/transactions/{transaction}/approve", { params, body }));
}

/** A button that fires an event; after it the page reads anew, whatever came of it. */
export function useFire<T>(transaction: string, run: (client: Client, given: T) => Promise<Answer>) {
  const { name, client } = useSource();
  const queries = useQueryClient();
  return usePress({
    key: ["fire", transaction],
    run: (given: T) => run(client, given),
    onSettled: () => queries.invalidateQueries({ queryKey: [name] }),
  });
}
