import { act, cleanup, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { useLive } from "../src/api/live.ts";
import { json, payment, show } from "./screen.tsx";

const TXN = "txn_00000000000000000000000000";
const STREAM = `/console/v1/events?transaction=${TXN}`;
const POLL_MS = 1_000;

/** The browser's EventSource, moved by hand. */
class Told {
  static readonly CLOSED = 2;
  static made: Told[] = [];
  readyState = 0;
  onopen = () => undefined as void;
  onerror = () => undefined as void;
  onmessage = (_: { data: string }) => undefined as void;

  constructor(readonly url: string) {
    Told.made.push(this);
  }
  open = () => act(() => this.onopen());
  close = () => void (this.readyState = Told.CLOSED);
  tell = (...seqs: number[]) =>
    act(() => seqs.forEach((seq) => this.onmessage({ data: JSON.stringify({ ...entry(seq), position: seq + 40 }) })));
  /** A break that the browser mends itself (0), or a refusal after which it gives up (2). */
  break = (readyState: 0 | 2) =>
    act(() => {
      this.readyState = readyState;
      this.onerror();
    });
}

const entry = (seq: number) => ({ seq, hash: `hash-${seq}`, event: "create" });
let written = 0;
let polls: string[] = [];

/** What the server's pages say: the log as far as it is written. */
function answer(request: Request) {
  const url = new URL(request.url);
  if (!url.pathname.endsWith("/transitions")) return json(payment());
  polls.push(url.search);
  const after = Number(url.searchParams.get("cursor") ?? 0);
  const data = Array.from({ length: written }, (_, at) => entry(at + 1)).slice(after);
  return json({ object: "list", data, has_more: false, next_cursor: null });
}

function Page() {
  const { entries } = useLive(TXN);
  return <p>{entries.map((one) => JSON.stringify(one)).join(" ")}</p>;
}

const shown = () =>
  (document.querySelector("p")?.textContent ?? "").split(" ").filter(Boolean).map((one) => JSON.parse(one));
const seqs = () => shown().map(({ seq }) => seq);
const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

beforeEach(() => {
  vi.useFakeTimers({ shouldAdvanceTime: false });
  vi.stubGlobal("EventSource", Told);
  vi.spyOn(globalThis, "fetch").mockImplementation((request) => answer(request as Request));
  [written, polls, Told.made] = [2, [], []];
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** A page that has read its log and hears a stream. */
async function streamed(): Promise<Told> {
  show(<Page />);
  await pass(50);
  expect(Told.made.map(({ url }) => url)).toEqual([STREAM]);
  Told.made[0]!.open();
  return Told.made[0]!;
}

test("streamed entries join the log with their hashes, and no poll", async () => {
  const stream = await streamed();
  const before = polls.length;
  stream.tell(3, 4);
  await pass(2 * POLL_MS);
  expect(shown()).toEqual([1, 2, 3, 4].map(entry));
  expect(polls).toHaveLength(before);
});

test("an entry that comes twice is shown once", async () => {
  const stream = await streamed();
  written = 4;
  stream.tell(1, 2, 3, 3);
  await pass(6 * POLL_MS);
  stream.tell(2, 4);
  await pass(50);
  expect(seqs()).toEqual([1, 2, 3, 4]);
});

test("entries streamed while a page is read are kept", async () => {
  let deliver = () => undefined as void;
  const late = new Promise<void>((resolve) => (deliver = resolve));
  vi.mocked(globalThis.fetch).mockImplementation(async (request) => {
    const found = await answer(request as Request);
    await late;
    return found;
  });
  show(<Page />);
  Told.made[0]!.open();
  Told.made[0]!.tell(1, 2, 3);
  deliver();
  await pass(50);
  expect(seqs()).toEqual([1, 2, 3]);
});

test("a gap in a stream is filled from the log", async () => {
  const stream = await streamed();
  written = 5;
  stream.tell(5);
  await pass(50);
  expect(seqs()).toEqual([1, 2, 3, 4, 5]);
});

test("a refused stream leaves the poll, and is asked again later", async () => {
  show(<Page />);
  await pass(50);
  Told.made[0]!.break(2);
  written = 3;
  await pass(POLL_MS + 100);
  expect(seqs()).toEqual([1, 2, 3]);
  expect(Told.made).toHaveLength(1);
  await pass(30_000);
  expect(Told.made).toHaveLength(2);
});

test("a broken stream is polled for until it is back", async () => {
  const stream = await streamed();
  stream.tell(3);
  stream.break(0);
  written = 4;
  await pass(POLL_MS + 100);
  expect(seqs()).toEqual([1, 2, 3, 4]);
  stream.open();
  stream.tell(4, 5);
  await pass(50);
  expect(seqs()).toEqual([1, 2, 3, 4, 5]);
  expect(Told.made).toHaveLength(1);
});

test("a stream that died silently loses nothing", async () => {
  await streamed();
  written = 3;
  await pass(6 * POLL_MS);
  expect(seqs()).toEqual([1, 2, 3]);
});

test("a browser without streams polls", async () => {
  vi.stubGlobal("EventSource", undefined);
  show(<Page />);
  await pass(50);
  written = 3;
  await pass(POLL_MS + 100);
  expect(seqs()).toEqual([1, 2, 3]);
});

test("all of a page listens on one stream, closed with the last", async () => {
  const page = show(<><Page /><Page /></>);
  await pass(50);
  const stream = Told.made[0]!;
  expect(Told.made).toHaveLength(1);
  expect(stream.readyState).not.toBe(Told.CLOSED);
  page.unmount();
  expect(stream.readyState).toBe(Told.CLOSED);
  expect(screen.queryByText(/seq/)).toBeNull();
});

test("a lost network gives the stream up, until it is back", async () => {
  const stream = await streamed();
  const network = vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
  act(() => void window.dispatchEvent(new Event("offline")));
  expect(stream.readyState).toBe(Told.CLOSED);
  network.mockReturnValue(true);
  act(() => void window.dispatchEvent(new Event("online")));
  expect(Told.made).toHaveLength(2);
});

test("a page that nobody looks at holds no stream", async () => {
  const stream = await streamed();
  const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  act(() => void document.dispatchEvent(new Event("visibilitychange")));
  expect(stream.readyState).toBe(Told.CLOSED);
  hidden.mockReturnValue(false);
  act(() => void document.dispatchEvent(new Event("visibilitychange")));
  expect(Told.made).toHaveLength(2);
});
