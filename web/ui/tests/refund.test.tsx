import { cleanup, fireEvent, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Refund } from "../src/api/schema.ts";
import { freeBounds, leftOf, usualFree } from "../src/payment/refund.ts";
import { RefundDialog } from "../src/payment/RefundDialog.tsx";
import { json, payment, show } from "./screen.tsx";

const sent: { body: unknown; key: string | null }[] = [];
const answers: (() => Promise<Response>)[] = [];
const refunded = (amount: number, free: number, status: Refund["status"] = "settled") =>
  ({ id: `rf_${amount}`, amount, tax_free_amount: free, vat_amount: 0, reason: null, status, at: "" }) as Refund;
const free = { amount: 30_000, captured_amount: 30_000, refundable_amount: 30_000, tax_free_amount: 10_000 };

beforeEach(() => {
  sent.length = answers.length = 0;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
    const request = input as Request;
    sent.push({ body: await request.json(), key: request.headers.get("Idempotency-Key") });
    return answers.shift()?.() ?? json(payment());
  });
});
afterEach(cleanup);

const field = (label: string) => screen.getByLabelText<HTMLInputElement>(label);
const fill = (label: string, value: string) => fireEvent.change(field(label), { target: { value } });
const press = () => fireEvent.submit(field("Amount").closest("form")!);
const open = (changes: Parameters<typeof payment>[0]) =>
  show(<RefundDialog payment={payment(changes)} onClose={() => undefined} />);

test("where nothing is tax free, nobody asks about it", async () => {
  open({});
  expect(screen.queryByLabelText("Of it, tax free")).toBeNull();
  fill("Amount", "3000");
  press();
  await waitFor(() => expect(sent.map(({ body }) => body)).toEqual([{ amount: 3_000 }]));
});

test("the tax-free part follows the amount until it is given", async () => {
  open(free);
  expect(field("Of it, tax free").value).toBe("10000");
  fill("Amount", "4,001");
  expect(field("Of it, tax free").value).toBe("1333");
  press();
  await waitFor(() => expect(sent[0]?.body).toEqual({ amount: 4_001, tax_free_amount: 1_333 }));
  fill("Of it, tax free", "0");
  fill("Amount", "5,000");
  expect(field("Of it, tax free").value).toBe("0");
});

test("the refund that empties leaves the parts to the server", async () => {
  open({ ...free, refunded_amount: 6_000, refundable_amount: 24_000, refunds: [refunded(6_000, 2_000)] });
  expect(field("Of it, tax free").value).toBe("8000");
  press();
  await waitFor(() => expect(sent[0]?.body).toEqual({ amount: 24_000 }));
});

test("an impossible tax-free part is not sent, and the range is said", () => {
  open(free);
  fill("Amount", "22,000");
  for (const wrong of ["1999", "10001", "", "x"]) {
    fill("Of it, tax free", wrong);
    press();
    expect(field("Of it, tax free").getAttribute("aria-invalid")).toBe("true");
    expect(screen.getAllByRole("alert").at(-1)?.textContent).toContain("₩2,000 – ₩10,000");
  }
  expect(sent).toEqual([]);
});

test("another amount after a refusal is another refund; after a lost answer it is not", async () => {
  const refused = { code: "guard_refused", title: "refused", detail: "" };
  answers.push(() => json(refused, 422), () => Promise.reject(new TypeError("lost")));
  open({});
  for (const [at, amount] of ["3000", "4000", "5000"].entries()) {
    fill("Amount", amount);
    press();
    await waitFor(() => expect(sent).toHaveLength(at + 1));
    await screen.findByRole("button", { name: "Refund" });
  }
  const keys = sent.map(({ key }) => key);
  expect(keys[1]).not.toBe(keys[0]);
  expect(keys[2]).toBe(keys[1]);
});

test("shares are whole, within bounds and exact for the largest amounts", () => {
  const left = { amount: 10 ** 12, free: 10 ** 12 - 1 };
  const large = { amount: 999_999_806_366, free: 945_203_552_253 };
  expect(usualFree(large, 973_524_196_444)).toBe(920_178_706_860); // a float would say one more
  for (const one of [left, { amount: 7, free: 3 }, { amount: 5, free: 5 }, { amount: 5, free: 0 }]) {
    for (const amount of [1, 2, one.amount - 1, one.amount]) {
      const [least, most] = freeBounds(one, amount);
      const part = usualFree(one, amount);
      expect(least <= part && part <= most).toBe(true);
    }
    expect(usualFree(one, one.amount)).toBe(one.free);
  }
});

test("a rejected refund took nothing", () => {
  const refunds = [refunded(3_000, 1_000), refunded(6_000, 2_000, "rejected"), refunded(900, 300, "pending")];
  expect(leftOf(payment({ ...free, refundable_amount: 26_100, refunds }))).toEqual({ amount: 26_100, free: 8_700 });
});
