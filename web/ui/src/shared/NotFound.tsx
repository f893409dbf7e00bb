import { Link } from "wouter";
import { useTexts } from "./language.tsx";

const texts = {
  title: ["찾을 수 없습니다", "Nothing is here"],
  about: ["주소가 잘못되었거나, 볼 수 없는 것입니다.", "The address is wrong, or it is not yours to see."],
} as const;

/** What an address shows that leads nowhere, and the way back. */
export function NotFound(props: { home: string; label: string }) {
  const t = useTexts(texts);
  return (
    <section className="card lost" aria-labelledby="lost">
      <h1 id="lost">{t.title}</h1>
      <p>{t.about}</p>
      <Link href={props.home} className="button quiet">{props.label}</Link>
    </section>
  );
}
