import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { keep, kept } from "./storage.ts";

export type Language = "ko" | "en";
/** Korean, English. */
export type Pair = readonly [string, string];
export type Texts = Readonly<Record<string, Pair>>;

const Context = createContext<{ language: Language; setLanguage: (to: Language) => void }>({
  language: "en",
  setLanguage: () => undefined,
});

export function firstLanguage(): Language {
  const found = kept(localStorage, "strada.language");
  if (found === "ko" || found === "en") return found;
  return navigator.language.startsWith("ko") ? "ko" : "en";
}

export function otherLanguage(language: Language): Language {
  return language === "ko" ? "en" : "ko";
}

export function LanguageProvider(props: { children: ReactNode; language?: Language }) {
  const [language, choose] = useState<Language>(() => props.language ?? firstLanguage());
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const setLanguage = (to: Language) => {
    keep(localStorage, "strada.language", to);
    choose(to);
  };
  return <Context value={{ language, setLanguage }}>{props.children}</Context>;
}

export function useLanguage() {
  return useContext(Context);
}

export function within(pair: Pair, language: Language): string {
  return pair[language === "ko" ? 0 : 1];
}

/** The texts of a component, in the language of the page. */
export function useTexts<T extends Texts>(texts: T): { readonly [K in keyof T]: string } {
  const { language } = useLanguage();
  const found = Object.entries(texts).map(([name, pair]) => [name, within(pair, language)]);
  return Object.fromEntries(found) as { readonly [K in keyof T]: string };
}
