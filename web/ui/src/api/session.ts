import { type Query, type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { usePress } from "../shared/usePress.ts";
import { ask, Refused } from "./client.ts";

const SESSION = ["session"];
export type Session = { merchant: string; scopes: string[] };

/** Whose session this browser holds in its cookie, which no script can read. */
export function useSession() {
  return useQuery({
    queryKey: SESSION,
    queryFn: () => ask<Session>("GET", "/console/session"),
    staleTime: 60_000,
  });
}

export function useSignIn() {
  const queries = useQueryClient();
  return usePress({
    key: ["sign in"],
    run: (key: string) => ask<Session>("POST", "/console/session", { key }),
    onSuccess: (session) => {
      queries.removeQueries({ queryKey: ["console"] }); // it may be another merchant's
      queries.setQueryData(SESSION, session);
    },
  });
}

export const isStranger = (error: unknown) => error instanceof Refused && error.status === 401;

/** A reading was refused for want of a session: has it ended? Then the console asks for a key. */
export function lookAtSession(queries: QueryClient, error: Error, { queryKey }: Pick<Query, "queryKey">) {
  if (isStranger(error) && queryKey[0] === "console") void queries.invalidateQueries({ queryKey: SESSION });
}

export function useSignOut() {
  const queries = useQueryClient();
  return usePress({
    key: ["sign out"],
    run: () => ask("DELETE", "/console/session"),
    onSuccess: () => {
      queries.clear();
      location.assign("/console");
    },
  });
}
