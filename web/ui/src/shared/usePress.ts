import { type MutationKey, type MutateOptions, useMutation, useQueryClient } from "@tanstack/react-query";

type Options<T, R> = {
  key: MutationKey;
  run: (given: T) => Promise<R>;
  onSuccess?: (result: R) => void;
  onSettled?: () => unknown;
};

/** What a button does. While it is being done, another press of it (or of its twin) does nothing. */
export function usePress<T, R>({ key, run, onSuccess, onSettled }: Options<T, R>) {
  const queries = useQueryClient();
  const { mutate, isPending, error } = useMutation({
    mutationKey: key,
    mutationFn: run,
    ...(onSuccess && { onSuccess }),
    ...(onSettled && { onSettled }),
  });
  const press = (given: T, then: MutateOptions<R, Error, T> = {}) => {
    if (!queries.isMutating({ mutationKey: key })) mutate(given, then);
  };
  return { press, isPending, error };
}
