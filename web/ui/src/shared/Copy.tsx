import { useState } from "react";
import { useTexts } from "./language.tsx";

const texts = { copied: ["복사함", "Copied"], failed: ["복사 안 됨", "Not copied"] } as const;

export function Copy(props: { label: string; text: () => string }) {
  const [said, say] = useState<keyof typeof texts | null>(null);
  const t = useTexts(texts);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(props.text());
      say("copied");
    } catch {
      say("failed");
    }
    setTimeout(() => say(null), 1500);
  };
  return (
    <button type="button" className="small" onClick={copy}>
      <span aria-live="polite">{said ? t[said] : props.label}</span>
    </button>
  );
}
