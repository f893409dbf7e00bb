import createClient from "openapi-fetch";
import { createContext, useContext } from "react";
import type { paths } from "./schema.ts";

/** What the server refused, in its own words. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly status: number,
  ) {
    super(`${status} ${code}`);
  }
}

/** Whether there is no such thing, or none that this page may see. */
export const isMissing = (error: unknown) => error instanceof Refused && error.status === 404;

/** Where `/v1` is asked, and as whom: by the shop's server, a console's session, a client secret. */
export function clientAt(base: string, token?: string) {
  const headers = { "Strada-Console": "1", ...(token && { Authorization: `Bearer ${token}` }) };
  return createClient<paths>({
    baseUrl: `${location.origin}${base}`,
    headers,
    fetch: (request) => {
      request.headers.set("Accept-Language", pageLanguage());
      return globalThis.fetch(request);
    },
  });
}
export type Client = ReturnType<typeof clientAt>;

/** Where pages read: its name in the cache, its address, and who asks there. */
export const sourceAt = (name: string, base: string) => ({ name, base, client: clientAt(base) });
export const Source = createContext<ReturnType<typeof sourceAt> | null>(null);

export function useSource() {
  const found = useContext(Source);
  if (!found) throw new Error("no source of transactions here");
  return found;
}

/** The answer's body, or its refusal thrown. */
export function accepted<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.response.ok && answer.data !== undefined) return answer.data;
  throw refusalOf(answer.error, answer.response.status);
}

/** Ask for JSON outside `/v1`: the shop's own server, the session. */
export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(path, {
    method,
    headers: {
      "Strada-Console": "1",
      "Content-Type": "application/json",
      "Accept-Language": pageLanguage(),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const said: unknown = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw refusalOf(said, answer.status);
  return said as T;
}

/** Refusals come in the language of the page, which may not be the browser's. */
const pageLanguage = () => document.documentElement.lang || "en";

function refusalOf(said: unknown, status: number): Refused {
  const found = (said ?? {}) as Partial<Refused>;
  const title = found.title ?? `HTTP ${status}`;
  return new Refused(found.code ?? "unknown", title, found.detail ?? "", status);
}
