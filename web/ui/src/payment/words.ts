import type { Pair } from "../shared/language.tsx";

/** Why a payment was declined, where a customer can do something about it. Other codes are ours to know. */
export const FAILURES: Readonly<Record<string, Pair>> = {
  insufficient_funds: ["잔액이 부족합니다.", "The balance was too low."],
  limit_exceeded: ["결제 한도를 넘었습니다.", "A spending limit was exceeded."],
  card_expired: ["카드 유효기간이 지났습니다.", "The card has expired."],
  card_refused: ["카드를 사용할 수 없습니다.", "The card was refused."],
  bank_closed: ["은행 점검 시간입니다. 잠시 후 다시 시도해 주십시오.", "The bank is closed for maintenance. Please try again later."],
  bank_not_connected: ["연결된 은행 계좌가 없습니다.", "No bank account is connected."],
  bank_account_blocked: ["은행 계좌가 정지되어 있습니다.", "The bank account is blocked."],
  bank_account_not_found: ["은행 계좌를 찾을 수 없습니다.", "The bank account was not found."],
  window_expired: ["결제 시간이 지났습니다.", "The time to pay had passed."],
};

/** Why a person should look at a payment. */
export const REVIEWS: Readonly<Record<string, Pair>> = {
  outcome_unknown: ["오래 물었지만 결과를 알지 못했습니다.", "Its outcome has been unknown for too long."],
  contradicting_evidence: ["게이트웨이의 답이 기록과 모순됩니다.", "What the gateway says contradicts the log."],
  captured_unwanted: ["닫힌 주문이 결제되었습니다.", "A closed order was charged."],
  rollback_unanswered: ["복구한 뒤 게이트웨이의 답을 받지 못했습니다.", "The gateway did not answer after a restore."],
};
