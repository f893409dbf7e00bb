import { Refused } from "../api/client.ts";
import { useTexts } from "./language.tsx";
import { Notice } from "./Notice.tsx";

const texts = {
  lost: ["연결이 끊겼습니다. 다시 연결되면 이어집니다.", "The connection is lost. This goes on when it is back."],
  more: ["원인과 해결", "Cause and cure"],
} as const;

/** What went wrong: a refusal in the server's words, or that nobody answered. */
export function Trouble(props: { error: unknown }) {
  const t = useTexts(texts);
  if (!(props.error instanceof Refused)) return <Notice kind="bad">{t.lost}</Notice>;
  const { code, title, detail } = props.error;
  return (
    <Notice kind="bad">
      <strong>{title}</strong>
      <p>{detail}</p>
      <p className="dim">
        <code>{code}</code> · <a href={`/problems/${code}`}>{t.more}</a>
      </p>
    </Notice>
  );
}
