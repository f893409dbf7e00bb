import { beforeEach, expect, test, vi } from "vitest";
import { curl, type Call } from "../src/checkout/curl.ts";
import { cartNumber, newCart, orderBy, orders, remember } from "../src/checkout/orders.ts";
import { comeBack } from "../src/checkout/pay.ts";

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});

const order = (number: string) => ({ number, flow: "client" as const, transaction: `txn_${number}`, secret: "s" });

test("a tab's order keeps its number until it is left", () => {
  const number = cartNumber();
  expect(number).toMatch(/^[0-9a-f]{16}$/);
  expect(cartNumber()).toBe(number);
  expect(newCart()).not.toBe(number);
});

test("the newest twenty orders are remembered, each once", () => {
  for (let at = 0; at < 25; at++) remember(order(String(at)));
  remember({ ...order("24"), tid: "T1" });
  expect(orders()).toHaveLength(20);
  expect(orderBy("24")?.tid).toBe("T1");
  expect(orderBy("0")).toBeUndefined();
});

test("rubbish in the storage is no order", () => {
  localStorage.setItem("strada-demo.orders", "{not json");
  expect(orders()).toEqual([]);
});

test("a return without its token asks for nothing", async () => {
  const fetch = vi.spyOn(globalThis, "fetch");
  await comeBack(order("1"), "paid", null);
  expect(fetch).not.toHaveBeenCalled();
});

test("a curl command quotes what a shell would eat", () => {
  const call = { method: "POST", url: "http://h/x", request: `{"a":"it's $HOME"}`, authorization: "Bearer sk_test_***" };
  expect(curl(call as Call)).toBe(
    `curl -i -X POST 'http://h/x' -H 'Authorization: Bearer sk_test_***' -H 'Content-Type: application/json' -d '{"a":"it'\\''s $HOME"}'`,
  );
});
