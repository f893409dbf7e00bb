import { useMemo, useState } from "react";
import { Link, Route, Switch, useSearchParams } from "wouter";
import { Frame } from "../app/Frame.tsx";
import { Source, sourceAt } from "../api/client.ts";
import { useTexts } from "../shared/language.tsx";
import { NotFound } from "../shared/NotFound.tsx";
import { useTitle } from "../shared/title.ts";
import { Cart } from "./Cart.tsx";
import type { Flow } from "./orders.ts";
import { OpenLink } from "./OpenLink.tsx";
import { Phone } from "./Phone.tsx";
import { Receipt } from "./Receipt.tsx";
import { Return } from "./Return.tsx";
import { Underneath } from "./Underneath.tsx";
import "./checkout.css";

const texts = {
  title: ["Strada 데모 상점", "Strada demo shop"],
  home: ["장바구니로", "To the cart"],
  simulated: ["모의 결제라서 돈이 움직이지 않습니다", "A simulated gateway: no money moves"],
} as const;

/** The demo: a shop (or a phone with its app) on one side, what happens underneath on the other. */
export default function Shop() {
  const t = useTexts(texts);
  const [flow, setFlow] = useState<Flow>("server");
  const source = useMemo(() => sourceAt("shop", "/demo"), []);
  const transaction = useSearchParams()[0].get("transaction_id");
  useTitle(t.title);
  return (
    <Source value={source}>
      <Frame title={<Link href="/demo">{t.title}</Link>}>
        <p className="ribbon">{t.simulated}</p>
        <div className="counter">
          <div className="front">
            <Switch>
              <Route path="/demo/receipt"><Receipt home="/demo" /></Route>
              <Route path="/demo/return/:leg"><Return /></Route>
              <Route path="/demo/app/open"><Phone><OpenLink /></Phone></Route>
              <Route path="/demo/app/receipt"><Phone><Receipt home="/demo/app" /></Phone></Route>
              <Route path="/demo/app"><Phone><Cart flow="app" /></Phone></Route>
              <Route path="/demo"><Cart flow={flow} onFlow={setFlow} /></Route>
              <Route><NotFound home="/demo" label={t.home} /></Route>
            </Switch>
          </div>
          <Underneath transaction={transaction} flow={flow} />
        </div>
      </Frame>
    </Source>
  );
}
