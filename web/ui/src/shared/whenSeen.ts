/** Resolves when a person sees the page: a browser may run it ahead of its user, who has not come. */
export function whenSeen(): Promise<void> {
  const page = document as Document & { prerendering?: boolean };
  if (!page.prerendering) return Promise.resolve();
  return new Promise((resolve) => {
    page.addEventListener("prerenderingchange", () => resolve(), { once: true });
  });
}
