import type { Transaction } from "../api/schema.ts";
import { useLanguage, useTexts, within } from "../shared/language.tsx";
import { Notice } from "../shared/Notice.tsx";
import { REVIEWS } from "../payment/words.ts";
import { clock, moment } from "../shared/time.ts";

const texts = {
  unknown: ["결과를 아직 모릅니다. 게이트웨이에 묻고 있습니다.", "The outcome is not known yet. The gateway is being asked."],
  approve: ["승인", "Approval"],
  refund: ["환불", "Refund"],
  failed: ["게이트웨이가 거절했습니다:", "The gateway declined:"],
  since: ["요청 시각", "asked at"],
  looks: ["조회", "look-ups"],
  next: ["다음 조회", "next at"],
  last: ["마지막 증거", "last evidence"],
  review: ["사람의 확인이 필요합니다:", "A person should look:"],
} as const;

/** What nobody knows yet, and what a person should look at. */
export function Pending(props: { payment: Transaction }) {
  const { pending, needs_review, failure } = props.payment;
  const { language } = useLanguage();
  const t = useTexts(texts);
  const why = REVIEWS[needs_review ?? ""];
  return (
    <>
      {pending && (
        <Notice kind="wait">
          <strong>{t.unknown}</strong>
          <p className="dim">
            {t[pending.kind]} · {t.since} {moment(pending.since, language)} · {t.looks} {pending.attempts}
            {pending.next_check_at && ` · ${t.next} ${clock(Date.parse(pending.next_check_at))}`}
            {pending.last_evidence && <> · {t.last} <code>{pending.last_evidence}</code></>}
          </p>
        </Notice>
      )}
      {needs_review && (
        <Notice kind="bad">{t.review} {why && within(why, language)} <code>{needs_review}</code></Notice>
      )}
      {failure && (
        <Notice kind="plain">{t.failed} {failure.message} <code>{failure.code} {failure.provider_code}</code></Notice>
      )}
    </>
  );
}
