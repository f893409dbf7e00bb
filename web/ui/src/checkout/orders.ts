import { drop, keep, kept } from "../shared/storage.ts";

export type Flow = "server" | "client" | "app" | "reported";

/** What this browser remembers of an order, so that a return page, a reload or a new tab finds it. */
export type Order = {
  number: string;
  flow: Flow;
  transaction: string;
  /** The client secret of this one transaction; dead a day after it closes. */
  secret?: string | undefined;
  /** Flow `reported`: the gateway's id, which the client itself was given. */
  tid?: string | undefined;
};

const ORDERS = "strada-demo.orders";
const CART = "strada-demo.cart";
const MOST = 20;

/** The number of this tab's order: the same however often the button is pressed. */
export function cartNumber(): string {
  const found = kept(sessionStorage, CART);
  return typeof found === "string" ? found : newCart();
}

export function newCart(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  const number = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  keep(sessionStorage, CART, number);
  return number;
}

export function leaveCart(): void {
  drop(sessionStorage, CART);
}

export function orders(): readonly Order[] {
  const found = kept(localStorage, ORDERS);
  return Array.isArray(found) ? (found as Order[]) : [];
}

export function remember(order: Order): void {
  const others = orders().filter(({ number }) => number !== order.number);
  keep(localStorage, ORDERS, [order, ...others].slice(0, MOST));
}

export function orderBy(number: string): Order | undefined {
  return orders().find((order) => order.number === number);
}

export function orderOf(transaction: string): Order | undefined {
  return orders().find((order) => order.transaction === transaction);
}
