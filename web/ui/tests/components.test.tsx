import { cleanup, fireEvent, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { Said } from "../src/checkout/Said.tsx";
import { Action } from "../src/console/Action.tsx";
import { Amounts } from "../src/payment/Amounts.tsx";
import { RefundDialog } from "../src/payment/RefundDialog.tsx";
import { json, payment, show } from "./screen.tsx";

afterEach(cleanup);

test("unknown is said to be unknown, and offers no second payment", () => {
  show(<Said payment={payment({ status: "approving" })} />);
  expect(screen.getByRole("status").textContent).toContain("We are asking KakaoPay");
  expect(screen.queryByRole("link")).toBeNull();
});

test("a failure tells its reason and that nothing was charged", () => {
  const failure = { code: "insufficient_funds", message: "approval failure!", provider_code: "-780" };
  show(<Said payment={payment({ status: "failed", failure })} />);
  expect(screen.getByRole("status").textContent).toMatch(/balance was too low.*not charged/);
});

test("a receipt adds up", () => {
  show(<Amounts payment={payment({ refunded_amount: 3_000 })} />);
  const figures = screen.getAllByRole("definition").map((found) => found.textContent);
  expect(figures).toEqual(expect.arrayContaining(["₩10,909", "₩1,091", "₩12,000", "₩9,000"]));
});

test("too large a refund is not sent", () => {
  const fetch = vi.spyOn(globalThis, "fetch");
  show(<RefundDialog payment={payment()} onClose={() => undefined} />);
  fireEvent.change(screen.getByLabelText("Amount"), { target: { value: "12,001" } });
  fireEvent.submit(screen.getByLabelText("Amount").closest("form")!);
  expect(screen.getByLabelText("Amount").getAttribute("aria-invalid")).toBe("true");
  expect(fetch).not.toHaveBeenCalled();
});

test("two presses are one refund, by one key", async () => {
  const sent: Request[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation((request) => {
    sent.push(request as Request);
    return json({ detail: "away", code: "gateway_unavailable", title: "away" }, 503);
  });
  show(<RefundDialog payment={payment()} onClose={() => undefined} />);
  const form = screen.getByLabelText("Amount").closest("form")!;
  fireEvent.submit(form);
  fireEvent.submit(form);
  await waitFor(() => expect(screen.getAllByRole("alert").at(-1)?.textContent).toContain("away"));
  expect(sent).toHaveLength(1);
  fireEvent.submit(form);
  await waitFor(() => expect(sent).toHaveLength(2));
  const keys = sent.map((request) => request.headers.get("Idempotency-Key"));
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toMatch(/^refund-/);
  expect(sent[0]!.headers.get("Accept-Language")).toBe("en");
});

test("a step that the chart lacks is disabled, with the reason", async () => {
  const answer = { object: "dry_run", event: "cancel", accepted: false, target: null, guard: null, reason: "illegal_transition" };
  vi.spyOn(globalThis, "fetch").mockImplementation(() => json(answer));
  const act = vi.fn();
  show(<Action payment={payment()} event="cancel" label="Cancel" isBusy={false} onAct={act} />);
  await screen.findByText(/no such step from ‘Paid’/);
  const button = screen.getByRole("button", { name: "Cancel" });
  expect(button.getAttribute("aria-disabled")).toBe("true");
  fireEvent.click(button);
  expect(act).not.toHaveBeenCalled();
});
