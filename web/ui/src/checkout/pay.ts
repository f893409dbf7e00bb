import { ask, clientAt, Refused } from "../api/client.ts";
import { approve, fire } from "../api/fire.ts";
import type { Transaction } from "../api/schema.ts";
import { isOver } from "../payment/status.ts";
import { cartNumber, type Flow, newCart, type Order, remember } from "./orders.ts";

type Made = { transaction: Transaction; client_secret: string | null };
type GatewayReady = {
  tid: string;
  next_redirect_pc_url: string;
  next_redirect_mobile_url: string;
};
export type Begun = { transaction: string; payAt: string | null };

/** Press the button: register the order, prepare it, and say where the customer pays. */
export async function begin(flow: Flow): Promise<Begun> {
  let number = cartNumber();
  let made = await register(number, flow);
  if (isOver(made.transaction.status)) {
    number = newCart(); // the order of an earlier press ended without payment
    made = await register(number, flow);
  }
  const order: Order = {
    number,
    flow,
    transaction: made.transaction.id,
    secret: made.client_secret ?? undefined,
  };
  remember(order);
  const payAt = await prepare(order, made.transaction);
  return { transaction: order.transaction, payAt };
}

const register = (order: string, flow: Flow) =>
  ask<Made>("POST", "/demo/api/orders", { order, flow });

/** Where to pay; null when the payment is beyond that. */
async function prepare(order: Order, found: Transaction): Promise<string | null> {
  if (found.status !== "created") return payPage(found, order.flow);
  switch (order.flow) {
    case "server":
      return payPage(found, order.flow); // the shop's server has prepared it
    case "reported":
      return prepareAtGateway(order);
    case "client":
    case "app": {
      const ready = await fire(clientAt("", order.secret), order.transaction, "ready");
      return ready.object === "transaction" ? payPage(ready, order.flow) : null;
    }
  }
}

/** Flow `reported`: this client asks the gateway itself, and reports. */
async function prepareAtGateway(order: Order): Promise<string> {
  const { number, transaction, secret } = order;
  const ready = await ask<GatewayReady>("POST", "/demo/api/gateway/ready", {
    order: number,
    transaction,
  });
  remember({ ...order, tid: ready.tid });
  await fire(clientAt("", secret), transaction, "ready", { provider_ref: ready.tid });
  return isPhone() ? ready.next_redirect_mobile_url : ready.next_redirect_pc_url;
}

export function payPage(found: Transaction, flow: Flow): string | null {
  const next = found.next_action;
  if (!next) return null;
  return (flow === "app" || isPhone() ? next.mobile_url : next.pc_url) ?? null;
}

const isPhone = () => /Mobi/.test(navigator.userAgent);

export type Leg = "paid" | "cancelled" | "failed";

/** The customer is back: approve with the gateway's token, or report that nobody paid. */
export async function comeBack(order: Order, leg: Leg, token: string | null): Promise<void> {
  if (leg === "paid") return token ? approveWith(order, token) : undefined;
  const client = clientAt("", order.secret);
  const event = leg === "failed" ? "fail" : "cancel";
  await unlessOver(fire(client, order.transaction, event));
}

async function approveWith(order: Order, token: string): Promise<void> {
  const { flow, number, transaction, tid, secret } = order;
  const client = clientAt("", secret);
  if (flow !== "reported") return unlessOver(approve(client, transaction, { pg_token: token }));
  if (!tid) return;
  const body = { order: number, transaction, tid, pg_token: token };
  // Whatever the gateway answers, or does not: Strada looks the payment up itself.
  await ask("POST", "/demo/api/gateway/approve", body).catch(() => undefined);
  await unlessOver(approve(client, transaction, { provider_ref: tid }));
}

/** A conflict is no error here: the payment went on meanwhile, and the receipt reads where to. */
async function unlessOver(answer: Promise<unknown>): Promise<void> {
  try {
    await answer;
  } catch (error) {
    if (!(error instanceof Refused && error.status === 409)) throw error;
  }
}
