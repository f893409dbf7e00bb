import type { Entry } from "../api/schema.ts";
import { useTexts } from "../shared/language.tsx";
import { Row } from "./Row.tsx";

const texts = {
  title: ["거래 기록", "The log"],
  about: [
    "단계 하나가 항목 하나이고, 항목마다 앞 항목의 해시를 담습니다.",
    "Each step is one entry, and each entry carries the hash of the one before.",
  ],
  none: ["아직 기록이 없습니다.", "Nothing is logged yet."],
} as const;

/** The log of one payment, oldest first. */
export function Log(props: { entries: readonly Entry[] }) {
  const t = useTexts(texts);
  return (
    <section className="card" aria-labelledby="log">
      <h2 id="log">{t.title}</h2>
      <p className="dim">{props.entries.length ? t.about : t.none}</p>
      <ol className="log">
        {props.entries.map((entry) => (
          <Row key={entry.seq} entry={entry} />
        ))}
      </ol>
    </section>
  );
}
