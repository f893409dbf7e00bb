import type { Filters } from "../api/transactions.ts";
import type { Status } from "../api/schema.ts";
import { STATUS } from "../payment/status.ts";

export const FILTERS = ["status", "provider", "order_id", "needs_review", "from", "to"] as const;

/** The filters in an address; what makes no sense there is left out. */
export function filtersIn(query: URLSearchParams): Filters {
  const status = query.get("status");
  const review = query.get("needs_review");
  const provider = query.get("provider")?.trim();
  const order = query.get("order_id")?.trim();
  const [from, to] = [dayStart(query.get("from"), 0), dayStart(query.get("to"), 1)];
  return {
    ...(status && status in STATUS && { status: status as Status }),
    ...(provider && { provider }),
    ...(order && { order_id: order }),
    ...((review === "true" || review === "false") && { needs_review: review === "true" }),
    ...(from && { created_after: from }),
    ...(to && { created_before: to }),
  };
}

/** Midnight, here, at the beginning of a day, or of the day after it. */
function dayStart(day: string | null, later: 0 | 1): string | null {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day ?? "");
  if (!found) return null;
  const at = new Date(Number(found[1]), Number(found[2]) - 1, Number(found[3]) + later);
  return Number.isNaN(at.getTime()) ? null : at.toISOString();
}
