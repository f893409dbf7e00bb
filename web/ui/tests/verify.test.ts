import { expect, test } from "vitest";
import page from "../../../engine/README.md?raw";
import type { Entry } from "../src/api/schema.ts";
import { canonical } from "../src/log/canonical.ts";
import { hashOf, verify } from "../src/log/verify.ts";

// The worked example of the page that defines the log.
const example = page.slice(page.indexOf("<!-- example:begin"), page.indexOf("<!-- example:end"));
const raws = [...example.matchAll(/```json\n(.*?)\n```/gs)].map((found) => found[1] ?? "");
const hashes = [...example.matchAll(/Its hash: `([0-9a-f]{64})`/g)].map((found) => found[1] ?? "");
const entries = raws.map((raw, at) => ({ ...JSON.parse(raw), hash: hashes[at] }) as Entry);

test("the example of the format's page verifies", async () => {
  expect(raws).toHaveLength(2);
  expect(await verify(entries)).toEqual({ kind: "whole", entries: 2, head: hashes[1] });
});

test("canonical text is the page's own bytes", () => {
  for (const raw of raws) expect(canonical(JSON.parse(raw))).toBe(raw);
});

test("a changed amount is found at its entry", async () => {
  const first = entries[0] as Entry & { data: { amount: number } };
  const changed = { ...first, data: { ...first.data, amount: first.data.amount + 1 } } as Entry;
  expect(await verify([changed, entries[1]!])).toEqual({ kind: "broken", seq: 1 });
});

test("a missing, a swapped and a relinked entry are found", async () => {
  expect(await verify([entries[1]!])).toEqual({ kind: "broken", seq: 1 });
  expect(await verify([entries[1]!, entries[0]!])).toEqual({ kind: "broken", seq: 1 });
  const relinked = { ...entries[1]!, prev_hash: "0".repeat(64) };
  expect(await verify([entries[0]!, relinked])).toEqual({ kind: "broken", seq: 2 });
});

test("an honest hash on a foreign predecessor is found", async () => {
  const { hash: _, ...second } = { ...entries[1]!, prev_hash: "1".repeat(64) };
  const foreign = { ...second, hash: await hashOf(second) } as Entry;
  expect(await verify([entries[0]!, foreign])).toEqual({ kind: "broken", seq: 2 });
});

test("a number that is not whole is refused", () => {
  expect(() => canonical({ amount: 1.5 })).toThrow();
});
