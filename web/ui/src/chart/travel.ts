import type { Entry, Status } from "../api/schema.ts";

export type Travel = {
  /** Where the payment is; null before it exists. */
  at: Status | null;
  been: ReadonlySet<string>;
  /** `source>target` → how often it was taken. */
  taken: ReadonlyMap<string, number>;
  /** The newest step, to be lit. */
  last: string | null;
};

/** The way through the chart that a log tells. */
export function travel(entries: readonly Entry[]): Travel {
  const been = new Set<string>();
  const taken = new Map<string, number>();
  let last: string | null = null;
  for (const { kind, source, target } of entries) {
    if (kind !== "transition" || !target) continue;
    been.add(target);
    if (!source) continue;
    last = `${source}>${target}`;
    taken.set(last, (taken.get(last) ?? 0) + 1);
  }
  return { at: entries.at(-1)?.target ?? null, been, taken, last };
}
