import type { Pair } from "../shared/language.tsx";

/** Why a guard of the chart says no, for people. */
export const REASONS: Readonly<Record<string, Pair>> = {
  already_completed: ["이미 구매 확정된 결제입니다.", "This payment is completed already."],
  refund_exceeds_balance: ["환불할 금액이 남아 있지 않습니다.", "Nothing is left to refund."],
  only_full_refund: ["전액 환불만 할 수 있습니다.", "Only a full refund is possible."],
  too_many_attempts: ["승인을 너무 많이 시도했습니다.", "It was tried too often."],
};
