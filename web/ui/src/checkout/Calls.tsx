import { useQuery } from "@tanstack/react-query";
import { ask } from "../api/client.ts";
import { Copy } from "../shared/Copy.tsx";
import { useTexts } from "../shared/language.tsx";
import { clock } from "../shared/time.ts";
import { type Call, curl } from "./curl.ts";

const texts = {
  title: ["HTTP 호출", "HTTP calls"],
  about: ["비밀 값은 서버에서 가려집니다.", "Secrets are masked by the server."],
  copy: ["curl로 복사", "Copy as curl"],
  silence: ["응답 없음", "no answer"],
  shop: ["상점 서버", "shop's server"],
  client: ["클라이언트", "client"],
  customer: ["고객 브라우저", "customer"],
  strada: ["Strada", "Strada"],
  gateway: ["카카오페이(모의)", "KakaoPay (simulated)"],
} as const;

/** The HTTP calls behind a payment, newest last. */
export function Calls(props: { transaction: string; version: number }) {
  const t = useTexts(texts);
  const calls = useQuery({
    queryKey: ["calls", props.transaction],
    queryFn: () => ask<{ data: Call[] }>("GET", `/demo/api/calls/${props.transaction}`),
    refetchInterval: 1_000,
  });
  return (
    <section className="card" aria-labelledby="calls">
      <h2 id="calls">{t.title}</h2>
      <p className="dim">{t.about}</p>
      <ol className="calls">
        {(calls.data?.data ?? []).map((call) => (
          <li key={call.id}>
            <details>
              <summary>
                <span className="dim">{t[call.caller]} → {t[call.called]}</span>
                <span className="mono break">
                  <strong>{call.method}</strong> {shortPath(call.url)}
                </span>
                <span className={`mono ${call.status && call.status < 400 ? "ok" : "odd"}`}>
                  {call.status ?? t.silence} · {clock(call.at)} · {call.took_ms} ms
                </span>
              </summary>
              <Copy label={t.copy} text={() => curl(call)} />
              <pre className="mono" tabIndex={0}>{shown(call)}</pre>
            </details>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** The path; an id in it is cut, for the eye. The command that is copied has all of it. */
function shortPath(url: string): string {
  return new URL(url).pathname.replace(/(txn_\w{6})\w+/, "$1…");
}

function shown(call: Call): string {
  const parts = [call.request && pretty(call.request), call.location && `Location: ${call.location}`];
  return [...parts, call.response && pretty(call.response)].filter(Boolean).join("\n\n");
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
