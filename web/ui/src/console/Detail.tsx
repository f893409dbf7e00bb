import { Link } from "wouter";
import { isMissing } from "../api/client.ts";
import { useLive } from "../api/live.ts";
import { Chart } from "../chart/Chart.tsx";
import { Log } from "../log/Log.tsx";
import { Proof } from "../log/Proof.tsx";
import { Amounts } from "../payment/Amounts.tsx";
import { useTexts } from "../shared/language.tsx";
import { Status } from "../payment/Status.tsx";
import { NotFound } from "../shared/NotFound.tsx";
import { Trouble } from "../shared/Trouble.tsx";
import { Waiting } from "../shared/Waiting.tsx";
import { Actions } from "./Actions.tsx";
import { Pending } from "./Pending.tsx";

const texts = { back: ["← 거래 목록", "← Transactions"], list: ["거래 목록", "Transactions"], chart: ["상태도", "Chart"] } as const;

/** One transaction: where it stands and how it came there, its money, and what can be done. */
export function Detail(props: { transaction: string }) {
  const t = useTexts(texts);
  const { payment, entries, error, isLost } = useLive(props.transaction);
  if (!payment && isMissing(error)) return <NotFound home="/console" label={t.list} />;
  if (!payment) return error ? <Trouble error={error} /> : <Waiting />;
  return (
    <div className="wide">
      <p><Link href="/console">{t.back}</Link></p>
      <header className="head">
        <h1>{payment.item_name ?? payment.id}</h1>
        <Status status={payment.status} />
        <span className="mono dim break">{payment.id} · v{payment.version}</span>
      </header>
      {isLost && <Trouble error={null} />}
      <Pending payment={payment} />
      <div className="pair detail">
        <div>
          <section className="card"><Amounts payment={payment} /></section>
          <Actions payment={payment} />
          <Proof entries={entries} />
        </div>
        <div>
          <section className="card" aria-labelledby="chart">
            <h2 id="chart">{t.chart}</h2>
            <Chart entries={entries} />
          </section>
          <Log entries={entries} />
        </div>
      </div>
    </div>
  );
}
