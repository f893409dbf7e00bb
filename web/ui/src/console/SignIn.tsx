import type { FormEvent } from "react";
import { Refused } from "../api/client.ts";
import { useSignIn } from "../api/session.ts";
import { useTexts } from "../shared/language.tsx";
import { Notice } from "../shared/Notice.tsx";
import { Trouble } from "../shared/Trouble.tsx";

const texts = {
  title: ["로그인", "Sign in"],
  key: ["비밀 키", "Secret key"],
  about: [
    "키는 서버에서 한 번 확인되고 이 브라우저에 저장되지 않습니다. 12시간 뒤, 또는 키가 폐기되면 로그아웃됩니다.",
    "The server checks the key once; this browser does not keep it. You are signed out after 12 hours, or when the key is revoked.",
  ],
  go: ["들어가기", "Sign in"],
  wrong: ["이 키를 알지 못합니다.", "No such key."],
} as const;

export function SignIn() {
  const t = useTexts(texts);
  const enter = useSignIn();
  const isWrong = enter.error instanceof Refused && enter.error.status === 401;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const key = String(new FormData(event.currentTarget).get("key")).trim();
    if (key) enter.press(key);
  };
  return (
    <section className="card narrow" aria-labelledby="signin">
      <h1 id="signin">{t.title}</h1>
      <form onSubmit={submit}>
        <label>
          {t.key}
          <input name="key" type="password" autoComplete="off" spellCheck={false} required autoFocus placeholder="sk_…" />
        </label>
        <p className="dim">{t.about}</p>
        {isWrong && <Notice kind="bad">{t.wrong}</Notice>}
        {enter.error && !isWrong && <Trouble error={enter.error} />}
        <button type="submit" aria-disabled={enter.isPending}>{t.go}</button>
      </form>
    </section>
  );
}
