import { useTexts } from "./language.tsx";

const texts = { waiting: ["불러오는 중", "Loading"] } as const;

export function Waiting() {
  const t = useTexts(texts);
  return (
    <p className="waiting" role="status">
      <span className="spinner" aria-hidden="true" /> {t.waiting}
    </p>
  );
}
