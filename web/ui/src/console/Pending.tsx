import type { Transaction } from "../api/schema.ts";
import { useLanguage, useTexts } from "../shared/language.tsx";
import { Notice } from "../shared/Notice.tsx";
import { clock, moment } from "../shared/time.ts";

const texts = {
  unknown: ["결과를 아직 모릅니다. 게이트웨이에 묻고 있습니다.", "The outcome is not known yet. The gateway is being asked."],
  since: ["요청 시각", "asked at"],
  looks: ["조회", "look-ups"],
  next: ["다음 조회", "next at"],
  last: ["마지막 증거", "last evidence"],
  review: ["사람의 확인이 필요합니다:", "A person should look:"],
} as const;

/** What nobody knows yet, and what a person should look at. */
export function Pending(props: { payment: Transaction }) {
  const { pending, needs_review } = props.payment;
  const { language } = useLanguage();
  const t = useTexts(texts);
  return (
    <>
      {pending && (
        <Notice kind="wait">
          <strong>{t.unknown}</strong>
          <p className="dim">
            {pending.kind} · {t.since} {moment(pending.since, language)} · {t.looks} {pending.attempts}
            {pending.next_check_at && ` · ${t.next} ${clock(Date.parse(pending.next_check_at))}`}
            {pending.last_evidence && ` · ${t.last}: ${pending.last_evidence}`}
          </p>
        </Notice>
      )}
      {needs_review && <Notice kind="bad">{t.review} <code>{needs_review}</code></Notice>}
    </>
  );
}
