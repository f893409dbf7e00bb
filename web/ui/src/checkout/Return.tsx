import { useParams, useSearchParams } from "wouter";
import { Back } from "./Back.tsx";
import type { Leg } from "./pay.ts";

const LEGS: readonly string[] = ["paid", "cancelled", "failed"];

/** Where the gateway sends the customer in flows `client` and `reported`. */
export function Return() {
  const { leg } = useParams<{ leg: string }>();
  const [query] = useSearchParams();
  return (
    <Back
      leg={LEGS.includes(leg) ? (leg as Leg) : null}
      number={query.get("order") ?? ""}
      token={query.get("pg_token")}
      receipt="/demo/receipt"
    />
  );
}
