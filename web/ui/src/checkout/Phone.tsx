import type { ReactNode } from "react";
import { useTexts } from "../shared/language.tsx";

const texts = { phone: ["휴대폰 화면", "A phone's screen"], app: ["스트라다 상점 앱", "The shop's app"] } as const;

/** A phone's frame. Its operating system is the demo's server, which hands app links to this page. */
export function Phone(props: { children: ReactNode }) {
  const t = useTexts(texts);
  return (
    <div className="phone" role="group" aria-label={t.phone}>
      <p className="bar">
        <span>{t.app}</span>
        <span className="mono">strada-demo://</span>
      </p>
      {props.children}
    </div>
  );
}
