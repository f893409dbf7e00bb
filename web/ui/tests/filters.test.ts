import { expect, test } from "vitest";
import { filtersIn } from "../src/console/filters.ts";

const read = (query: string) => filtersIn(new URLSearchParams(query));

test("an address's filters are read", () => {
  expect(read("status=approving&order_id= o-1 &needs_review=false")).toEqual({
    status: "approving",
    order_id: "o-1",
    needs_review: false,
  });
});

test("a range of days is inclusive, here", () => {
  const { created_after, created_before } = read("from=2026-11-01&to=2026-11-01");
  expect(new Date(created_after!)).toEqual(new Date(2026, 10, 1));
  expect(new Date(created_before!)).toEqual(new Date(2026, 10, 2));
});

test("what makes no sense is left out", () => {
  expect(read("status=paid&needs_review=maybe&from=yesterday&provider=")).toEqual({});
});
