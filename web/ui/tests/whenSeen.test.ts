import { afterEach, expect, test } from "vitest";
import { whenSeen } from "../src/shared/whenSeen.ts";

afterEach(() => Reflect.deleteProperty(document, "prerendering"));

test("a page that is only prerendered waits for its user", async () => {
  Object.defineProperty(document, "prerendering", { value: true, configurable: true });
  let seen = false;
  const waiting = whenSeen().then(() => {
    seen = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(seen).toBe(false);
  document.dispatchEvent(new Event("prerenderingchange"));
  await waiting;
});

test("a page that is seen does not wait", () => expect(whenSeen()).resolves.toBeUndefined());
