import { useMemo } from "react";
import { Link, Route, Switch } from "wouter";
import { Frame } from "../app/Frame.tsx";
import { Source, sourceAt } from "../api/client.ts";
import { isStranger, type Session, useSession, useSignOut } from "../api/session.ts";
import { useTexts } from "../shared/language.tsx";
import { useTitle } from "../shared/title.ts";
import { NotFound } from "../shared/NotFound.tsx";
import { Trouble } from "../shared/Trouble.tsx";
import { Waiting } from "../shared/Waiting.tsx";
import { Detail } from "./Detail.tsx";
import { List } from "./List.tsx";
import { SignIn } from "./SignIn.tsx";
import { Unknowns } from "./Unknowns.tsx";
import "./console.css";

const texts = {
  title: ["Strada 콘솔", "Strada console"],
  nav: ["콘솔", "Console"],
  transactions: ["거래", "Transactions"],
  unknowns: ["미확정", "Unknown"],
  out: ["로그아웃", "Sign out"],
} as const;

/** The merchant's console. It acts as the key that signed in, and holds no key itself. */
export default function Console() {
  const t = useTexts(texts);
  const session = useSession();
  useTitle(t.title);
  const mustSignIn = isStranger(session.error);
  if (session.data && !mustSignIn) return <Inside session={session.data} />;
  return (
    <Frame title={<Link href="/console">{t.title}</Link>}>
      {mustSignIn ? <SignIn /> : session.isError ? <Trouble error={session.error} /> : <Waiting />}
    </Frame>
  );
}

function Inside(props: { session: Session }) {
  const t = useTexts(texts);
  const leave = useSignOut();
  const source = useMemo(() => sourceAt("console", "/console"), []);
  // A section is a link here and a route below; those of operators and auditors join by scope.
  const nav = (
    <nav aria-label={t.nav}>
      <Link href="/console" className={(on) => (on ? "on" : "")}>{t.transactions}</Link>
      <Link href="/console/unknown" className={(on) => (on ? "on" : "")}>{t.unknowns}</Link>
      <span className="who dim">{props.session.merchant}</span>
      <button type="button" className="plain" onClick={() => leave.press(null)}>{t.out}</button>
    </nav>
  );
  return (
    <Source value={source}>
      <Frame title={<Link href="/console">{t.title}</Link>} nav={nav}>
        {leave.error && <Trouble error={leave.error} />}
        <Switch>
          <Route path="/console/unknown"><Unknowns /></Route>
          <Route path="/console/transactions/:id">{({ id }) => <Detail key={id} transaction={id} />}</Route>
          <Route path="/console"><List /></Route>
          <Route><NotFound home="/console" label={t.transactions} /></Route>
        </Switch>
      </Frame>
    </Source>
  );
}
