import { useSearchParams } from "wouter";
import { Back } from "./Back.tsx";
import type { Leg } from "./pay.ts";

const LINK = /^strada-demo:\/\/(paid|cancelled|failed)\?/;

/** The app is opened by its link. It believes only what the link is for: a token to approve with. */
export function OpenLink() {
  const link = useSearchParams()[0].get("link") ?? "";
  const query = new URLSearchParams(link.slice(link.indexOf("?") + 1));
  return (
    <Back
      leg={(LINK.exec(link)?.[1] as Leg | undefined) ?? null}
      number={query.get("order") ?? ""}
      token={query.get("pg_token")}
      receipt="/demo/app/receipt"
    />
  );
}
