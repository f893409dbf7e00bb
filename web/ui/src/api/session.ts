import { useQuery, useQueryClient } from "@tanstack/react-query";
import { usePress } from "../shared/usePress.ts";
import { ask } from "./client.ts";

export type Session = { merchant: string; scopes: string[] };

/** Whose session this browser holds in its cookie, which no script can read. */
export function useSession() {
  return useQuery({
    queryKey: ["session"],
    queryFn: () => ask<Session>("GET", "/console/session"),
    staleTime: 60_000,
  });
}

export function useSignIn() {
  const queries = useQueryClient();
  return usePress({
    key: ["sign in"],
    run: (key: string) => ask<Session>("POST", "/console/session", { key }),
    onSuccess: (session) => queries.setQueryData(["session"], session),
  });
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
