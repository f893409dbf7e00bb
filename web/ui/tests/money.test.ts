import { expect, test } from "vitest";
import { money, wholeAmount } from "../src/shared/money.ts";

test("won have no decimals in either language", () => {
  expect(money(12_000, "KRW", "ko")).toBe("₩12,000");
  expect(money(-3_000, "KRW", "en")).toBe("-₩3,000");
});

test("minor units are cut as digits and never rounded", () => {
  expect(money(1_234, "USD", "en")).toBe("$12.34");
  expect(money(5, "USD", "en")).toBe("$0.05");
  expect(money(9_007_199_254_740_991, "USD", "en")).toBe("$90,071,992,547,409.91");
});

test("a typed amount is a whole number or nothing", () => {
  expect(wholeAmount("3,000원")).toBe(3_000);
  expect(wholeAmount("0")).toBe(0);
  for (const wrong of ["", "00", "-1", "1.5", "1e3", "abc", "99999999999999"]) {
    expect(wholeAmount(wrong)).toBeNull();
  }
});
