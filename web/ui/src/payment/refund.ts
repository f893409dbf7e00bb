import type { Transaction } from "../api/schema.ts";

/** What can still be given back, and how much of it was never taxed. Minor units. */
export type Left = { amount: number; free: number };

export function leftOf(payment: Transaction): Left {
  const given = (payment.refunds ?? []).filter(({ status }) => status !== "rejected");
  const free = given.reduce((sum, refund) => sum - refund.tax_free_amount, payment.tax_free_amount);
  const amount = payment.refundable_amount;
  return { amount, free: Math.min(Math.max(free, 0), amount) };
}

/** The tax-free part of a refund unless somebody says otherwise: its share, rounded down. */
export function usualFree(left: Left, amount: number): number {
  if (left.amount === 0) return 0;
  return Number((BigInt(amount) * BigInt(left.free)) / BigInt(left.amount));
}

/** The least and the most of a refund that can be tax free; the refund that empties has no choice. */
export function freeBounds(left: Left, amount: number): [number, number] {
  const taxed = left.amount - left.free;
  return [Math.max(amount - taxed, 0), Math.min(amount, left.free)];
}
