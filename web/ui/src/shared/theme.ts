import { keep, kept } from "./storage.ts";

const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export function storedTheme(): Theme {
  const found = kept(localStorage, "strada.theme");
  return THEMES.find((theme) => theme === found) ?? "system";
}

export function nextTheme(theme: Theme): Theme {
  return THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
}

/** The stylesheet's light-dark() follows this attribute, and without it the system. */
export function applyTheme(theme: Theme): void {
  if (theme === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = theme;
  keep(localStorage, "strada.theme", theme);
}
