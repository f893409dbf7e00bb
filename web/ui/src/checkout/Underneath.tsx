import { isMissing } from "../api/client.ts";
import { useLive } from "../api/live.ts";
import { Chart } from "../chart/Chart.tsx";
import { Log } from "../log/Log.tsx";
import { useTexts } from "../shared/language.tsx";
import { Calls } from "./Calls.tsx";
import type { Flow } from "./orders.ts";

const texts = {
  title: ["내부 동작", "Underneath"],
  about: [
    "결제하면 여기서 상태 전이, HTTP 호출, 기록이 실시간으로 보입니다.",
    "Pay, and the steps through the chart, the HTTP calls and the log appear here, live.",
  ],
} as const;

/** What happens while the customer pays. */
export function Underneath(props: { transaction: string | null; flow: Flow }) {
  const t = useTexts(texts);
  return (
    <aside className="underneath" aria-label={t.title}>
      {props.transaction ? <Live transaction={props.transaction} /> : <Still />}
    </aside>
  );
}

function Still() {
  const t = useTexts(texts);
  return (
    <section className="card">
      <h2>{t.title}</h2>
      <p className="dim">{t.about}</p>
      <Chart entries={[]} />
    </section>
  );
}

function Live(props: { transaction: string }) {
  const { entries, payment, error } = useLive(props.transaction);
  const t = useTexts(texts);
  if (!payment && isMissing(error)) return <Still />;
  return (
    <>
      <section className="card">
        <h2>{t.title}</h2>
        <Chart entries={entries} />
        <p className="mono dim break">{props.transaction}</p>
      </section>
      <div className="pair">
        <Calls transaction={props.transaction} version={payment?.version ?? 0} />
        <Log entries={entries} />
      </div>
    </>
  );
}
