import { useTransactions } from "../api/transactions.ts";
import { useTexts } from "../shared/language.tsx";
import { Table } from "./Table.tsx";

const texts = {
  title: ["미확정 거래", "Unknown outcomes"],
  about: [
    "게이트웨이의 답이 사라진 결제입니다. 일꾼이 계속 조회하며, 답을 알게 되면 여기서 사라집니다. 시간이 지났다고 실패로 바뀌지 않습니다.",
    "Payments whose answer got lost. The worker keeps asking, and they leave this page when the truth is known; time alone never fails them.",
  ],
  approving: ["승인 결과를 기다림", "Waiting for the result of an approval"],
  refunding: ["환불 결과를 기다림", "Waiting for the result of a refund"],
  review: ["사람의 확인이 필요함", "A person should look"],
  none: ["지금은 없습니다.", "None right now."],
} as const;

/** The queue of what nobody knows yet. */
export function Unknowns() {
  const t = useTexts(texts);
  const approving = useTransactions({ status: "approving" });
  const refunding = useTransactions({ status: "refunding" });
  const review = useTransactions({ needs_review: true });
  return (
    <section className="wide" aria-labelledby="unknown">
      <h1 id="unknown">{t.title}</h1>
      <p className="dim">{t.about}</p>
      <h2>{t.approving}</h2>
      <Table found={approving} none={t.none} />
      <h2>{t.refunding}</h2>
      <Table found={refunding} none={t.none} />
      <h2>{t.review}</h2>
      <Table found={review} none={t.none} />
    </section>
  );
}
