import { Link } from "wouter";
import { useTexts } from "../shared/language.tsx";
import type { Flow } from "./orders.ts";

const texts = {
  legend: ["결제 흐름", "Flow"],
  server: ["서버 (server)", "Server"],
  serverAbout: [
    "Strada 서버가 준비하고 승인합니다. 게이트웨이는 Strada의 반환 주소로 돌아옵니다.",
    "Strada's server prepares and approves. The gateway comes back to Strada's own return URL.",
  ],
  client: ["클라이언트 (client)", "Client"],
  clientAbout: [
    "이 페이지가 client secret으로 준비하고, 고객이 돌아온 페이지가 pg_token으로 승인합니다.",
    "This page prepares with a client secret; the page that the customer comes back to approves with pg_token.",
  ],
  reported: ["보고 (reported)", "Reported"],
  reportedAbout: [
    "클라이언트가 게이트웨이와 직접 통신하고 결과를 보고합니다. Strada는 믿지 않고 조회합니다.",
    "The client talks to the gateway itself and reports. Strada believes no report: it looks the payment up.",
  ],
  app: ["같은 주문을 휴대폰 앱에서 (딥 링크)", "The same order in a phone app, by deep link"],
} as const;
const CHOICES = ["server", "client", "reported"] as const;

/** Which way the payment goes; the app is a page of its own. */
export function Flows(props: { flow: Flow; onFlow: (flow: Flow) => void }) {
  const t = useTexts(texts);
  return (
    <fieldset className="flows">
      <legend>{t.legend}</legend>
      {CHOICES.map((flow) => (
        <label key={flow} className="flow">
          <input
            type="radio"
            name="flow"
            value={flow}
            checked={props.flow === flow}
            onChange={() => props.onFlow(flow)}
          />
          <span>
            <strong>{t[flow]}</strong>
            <small>{t[`${flow}About`]}</small>
          </span>
        </label>
      ))}
      <Link href="/demo/app" className="app">{t.app} →</Link>
    </fieldset>
  );
}
