import { expect, test } from "vitest";
import type { Entry } from "../src/api/schema.ts";
import { travel } from "../src/chart/travel.ts";

const step = (source: string | null, target: string, kind = "transition") =>
  ({ kind, source, target }) as Entry;

test("the way is what the log's transitions tell", () => {
  const way = travel([
    step(null, "created"),
    step("created", "ready"),
    step("ready", "approving"),
    step("approving", "ready"),
    step("ready", "approving"),
    step("approving", "approving", "evidence"),
  ]);
  expect(way.at).toBe("approving");
  expect([...way.been]).toEqual(["created", "ready", "approving"]);
  expect(way.taken.get("ready>approving")).toBe(2);
  expect(way.last).toBe("ready>approving");
});

test("before a payment exists nothing is lit", () => {
  expect(travel([])).toMatchObject({ at: null, last: null });
});
