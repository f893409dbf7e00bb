import type { Status } from "../api/schema.ts";
import type { Pair } from "../shared/language.tsx";

type Kind = "good" | "bad" | "wait" | "plain";

/** How each state of the chart is called and coloured. */
export const STATUS: Readonly<Record<Status, { kind: Kind; name: Pair }>> = {
  created: { kind: "plain", name: ["주문 접수", "Order registered"] },
  ready: { kind: "plain", name: ["결제 대기", "Waiting for payment"] },
  approving: { kind: "wait", name: ["결제 결과 확인 중", "Asking for the result"] },
  approved: { kind: "good", name: ["결제 완료", "Paid"] },
  completed: { kind: "good", name: ["구매 확정", "Completed"] },
  refunding: { kind: "wait", name: ["환불 확인 중", "Confirming the refund"] },
  partially_refunded: { kind: "good", name: ["부분 환불", "Partly refunded"] },
  refunded: { kind: "good", name: ["환불 완료", "Refunded"] },
  cancelled: { kind: "bad", name: ["결제 취소", "Cancelled"] },
  failed: { kind: "bad", name: ["결제 실패", "Failed"] },
  expired: { kind: "bad", name: ["시간 만료", "Expired"] },
  captured_unwanted: { kind: "bad", name: ["확인 필요", "Needs review"] },
};

const UNKNOWN: readonly Status[] = ["approving", "refunding"];
const PAID: readonly Status[] = ["approved", "completed", "partially_refunded", "refunded"];
const OVER: readonly Status[] = ["cancelled", "failed", "expired"];

export const isUnknown = (status: Status) => UNKNOWN.includes(status);
export const isPaid = (status: Status) => PAID.includes(status);
export const isOver = (status: Status) => OVER.includes(status);
