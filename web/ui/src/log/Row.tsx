import type { Entry } from "../api/schema.ts";
import { useTexts } from "../shared/language.tsx";
import { clock } from "../shared/time.ts";

const texts = {
  hash: ["해시", "hash"],
  after: ["이전", "after"],
  transition: ["전이", "transition"],
  refusal: ["거절", "refusal"],
  evidence: ["증거", "evidence"],
  note: ["메모", "note"],
} as const;

/** One entry: what happened, who did it, and its link in the chain. All of it when opened. */
export function Row(props: { entry: Entry }) {
  const { entry } = props;
  const t = useTexts(texts);
  const moved = entry.source !== entry.target;
  return (
    <li className={`entry ${entry.kind}`}>
      <details>
        <summary>
          <span className="seq">{entry.seq}</span>
          <span className="what">
            <strong className="mono">{entry.event}</strong>
            {entry.kind !== "transition" && <span className="kind">{t[entry.kind]}</span>}
            {moved && (
              <span className="mono dim">
                {entry.source ?? "·"} → {entry.target}
              </span>
            )}
          </span>
          <span className="who mono dim">
            {clock(entry.occurred_at / 1000)} · {short(entry.actor)}
          </span>
          <span className="mono link" title={entry.hash}>
            {t.after} {entry.prev_hash.slice(0, 8)} → {t.hash} {entry.hash.slice(0, 12)}
          </span>
        </summary>
        <pre className="mono" tabIndex={0}>
          {JSON.stringify(entry, null, 2)}
        </pre>
      </details>
    </li>
  );
}

function short(actor: string): string {
  return actor.length > 16 ? `${actor.slice(0, 15)}…` : actor;
}
