import type { ReactNode } from "react";
import { otherLanguage, useLanguage, useTexts } from "../shared/language.tsx";
import { ThemeButton } from "./ThemeButton.tsx";

const texts = {
  skip: ["본문으로 건너뛰기", "Skip to the content"],
  language: ["English", "한국어"],
} as const;

/** Header, navigation and main part of every page. */
export function Frame(props: { title: ReactNode; nav?: ReactNode; children: ReactNode }) {
  const { language, setLanguage } = useLanguage();
  const t = useTexts(texts);
  return (
    <>
      <a className="skip" href="#main">
        {t.skip}
      </a>
      <header className="top">
        <div className="brand">{props.title}</div>
        {props.nav}
        <div className="tools">
          <button
            type="button"
            className="plain"
            lang={otherLanguage(language)}
            onClick={() => setLanguage(otherLanguage(language))}
          >
            {t.language}
          </button>
          <ThemeButton />
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {props.children}
      </main>
    </>
  );
}
