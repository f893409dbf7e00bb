import type { Entry } from "../api/schema.ts";
import { canonical } from "./canonical.ts";

/** How an entry's hash is made: see engine/README.md, "The log". */
const DOMAIN = "strada/entry/1\n";
const START = "0".repeat(64);

export type Verdict =
  | { kind: "whole"; entries: number; head: string }
  | { kind: "broken"; seq: number }
  | { kind: "unable" };

/** Recompute every hash of a transaction's log, here in the browser, and follow the chain. */
export async function verify(entries: readonly Entry[]): Promise<Verdict> {
  if (!globalThis.crypto?.subtle) return { kind: "unable" };
  let head = START;
  for (const [at, { hash, ...entry }] of entries.entries()) {
    const holds = entry.seq === at + 1 && entry.prev_hash === head;
    if (!holds || (await hashOf(entry)) !== hash) return { kind: "broken", seq: at + 1 };
    head = hash;
  }
  return { kind: "whole", entries: entries.length, head };
}

/** The hash of an entry, which its bytes alone decide. */
export async function hashOf(entry: object): Promise<string> {
  const bytes = new TextEncoder().encode(DOMAIN + canonical(entry));
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
