import { type ReactNode, useEffect, useState } from "react";
import type { Entry } from "../api/schema.ts";
import { useTexts } from "../shared/language.tsx";
import { type Verdict, verify } from "./verify.ts";

const texts = {
  title: ["기록의 증명", "Proof of the log"],
  checking: ["해시를 다시 계산하고 있습니다…", "Recomputing the hashes…"],
  whole: [
    "이 브라우저가 모든 항목의 해시를 다시 계산했고, 사슬이 이어집니다.",
    "This browser recomputed the hash of every entry, and the chain holds.",
  ],
  broken: ["사슬이 끊긴 항목:", "The chain breaks at entry"],
  unable: [
    "이 브라우저는 여기서 해시를 계산할 수 없습니다 (https 또는 localhost 필요).",
    "This browser cannot compute hashes here (it takes https or localhost).",
  ],
  entries: ["항목", "Entries"],
  head: ["마지막 해시", "Last hash"],
} as const;

/** The chain, checked by the reader's own browser. Children: proofs that come from elsewhere. */
export function Proof(props: { entries: readonly Entry[]; children?: ReactNode }) {
  const verdict = useVerdict(props.entries);
  const t = useTexts(texts);
  const kind = verdict?.kind;
  return (
    <section className="card proof" aria-labelledby="proof" data-verdict={kind ?? "checking"}>
      <h2 id="proof">{t.title}</h2>
      <p className={kind === "broken" ? "verdict bad" : "verdict"} role="status">
        <span aria-hidden="true">{kind === "whole" ? "✓" : kind === "broken" ? "✗" : "…"}</span>{" "}
        {t[kind ?? "checking"]} {verdict?.kind === "broken" && verdict.seq}
      </p>
      {verdict?.kind === "whole" && (
        <dl className="facts">
          <dt>{t.entries}</dt>
          <dd>{verdict.entries}</dd>
          <dt>{t.head}</dt>
          <dd className="mono break">{verdict.head}</dd>
        </dl>
      )}
      {props.children}
    </section>
  );
}

function useVerdict(entries: readonly Entry[]): Verdict | null {
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  useEffect(() => {
    let current = true;
    if (entries.length) void verify(entries).then((found) => current && setVerdict(found));
    return () => {
      current = false;
    };
  }, [entries]);
  return verdict;
}
