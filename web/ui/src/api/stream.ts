import type { Entry } from "./schema.ts";

/** The server has few streams: one that it refused is asked for again only so much later. */
const AGAIN_MS = 30_000;

export type Listener = {
  /** An entry came; after a break it may be one that came before. */
  onEntry: (entry: Entry) => void;
  /** Whether entries come by themselves now. */
  onOpen: (isOpen: boolean) => void;
};

const streams = new Map<string, Stream>();

/** Listen at an address, on one stream with all others of this page; returns how to leave. */
export function follow(url: string, listener: Listener): () => void {
  if (typeof EventSource === "undefined") return () => undefined;
  const stream = streams.get(url) ?? new Stream(url);
  streams.set(url, stream);
  stream.add(listener);
  return () => {
    if (stream.remove(listener) === 0) streams.delete(url);
  };
}

/** A stream of server-sent entries: open while somebody looks at the page, and there is a network. */
class Stream {
  #listeners = new Set<Listener>();
  #source: EventSource | null = null;
  #again: ReturnType<typeof setTimeout> | undefined;
  #isOpen = false;

  constructor(readonly url: string) {}

  add(listener: Listener) {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#watch(true);
    listener.onOpen(this.#isOpen);
  }

  remove(listener: Listener): number {
    this.#listeners.delete(listener);
    if (this.#listeners.size === 0) this.#watch(false);
    return this.#listeners.size;
  }

  #watch(isWanted: boolean) {
    const change = isWanted ? "addEventListener" : "removeEventListener";
    for (const name of ["online", "offline"]) window[change](name, this.#attend);
    document[change]("visibilitychange", this.#attend);
    this.#attend();
  }

  #attend = () => {
    clearTimeout(this.#again);
    const isWanted = this.#listeners.size > 0 && navigator.onLine && !document.hidden;
    if (!isWanted) this.#close();
    else if (!this.#source) this.#connect();
  };

  #connect() {
    const source = new EventSource(this.url);
    this.#source = source;
    source.onopen = () => this.#say(true);
    source.onmessage = (event: MessageEvent<string>) => this.#hear(event.data);
    source.onerror = () => {
      this.#say(false);
      if (source.readyState !== EventSource.CLOSED) return; // it comes back with its last event's id
      this.#close();
      this.#again = setTimeout(this.#attend, AGAIN_MS);
    };
  }

  #hear(data: string) {
    // The place in the merchant's tree is the feed's; the entry's hash does not cover it.
    const { position: _, ...entry } = JSON.parse(data) as Entry & { position: number };
    for (const { onEntry } of this.#listeners) onEntry(entry as Entry);
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    this.#say(false);
  }

  #say(isOpen: boolean) {
    if (isOpen === this.#isOpen) return;
    this.#isOpen = isOpen;
    for (const { onOpen } of this.#listeners) onOpen(isOpen);
  }
}
