import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { ask } from "../api/client.ts";
import { useLanguage, useTexts } from "../shared/language.tsx";
import { money } from "../shared/money.ts";
import { Trouble } from "../shared/Trouble.tsx";
import { usePress } from "../shared/usePress.ts";
import { Waiting } from "../shared/Waiting.tsx";
import { Flows } from "./Flows.tsx";
import type { Flow } from "./orders.ts";
import { begin } from "./pay.ts";
import { UnderWay } from "./UnderWay.tsx";

type Basket = {
  lines: { name: { ko: string; en: string }; quantity: number; price: number }[];
  total: number;
  vat: number;
};
const texts = {
  title: ["장바구니", "Cart"],
  vat: ["포함된 부가세", "VAT included"],
  total: ["결제 금액", "Total"],
  pay: ["카카오페이로 결제", "카카오페이로 결제"],
  english: ["", "Pay with KakaoPay"],
  paying: ["주문하는 중…", "Placing the order…"],
  apart: ["결제 창을 새 탭에 열기 (여기서 지켜보기)", "Open the payment page in a new tab (and watch from here)"],
} as const;

/** What is bought, and the button. */
export function Cart(props: { flow: Flow; onFlow?: (flow: Flow) => void }) {
  const { language } = useLanguage();
  const t = useTexts(texts);
  const [isApart, setApart] = useState(false);
  const cart = useQuery({
    queryKey: ["cart"],
    queryFn: () => ask<Basket>("GET", "/demo/api/cart"),
    refetchInterval: (query) => (query.state.data ? false : 2_000),
  });
  const pay = usePay(props.flow);
  if (cart.isError) return <Trouble error={cart.error} />;
  if (!cart.data) return <Waiting />;
  const won = (amount: number) => money(amount, "KRW", language);
  return (
    <section className="card" aria-labelledby="cart">
      <h1 id="cart">{t.title}</h1>
      <UnderWay flow={props.flow} />
      <ul className="lines">
        {cart.data.lines.map(({ name, quantity, price }) => (
          <li key={name.en}>
            <span>{name[language]} × {quantity}</span>
            <span className="figure">{won(quantity * price)}</span>
          </li>
        ))}
        <li className="dim"><span>{t.vat}</span><span className="figure">{won(cart.data.vat)}</span></li>
        <li className="total"><span>{t.total}</span><span className="figure">{won(cart.data.total)}</span></li>
      </ul>
      {props.onFlow && <Flows flow={props.flow} onFlow={props.onFlow} />}
      {pay.error && <Trouble error={pay.error} />}
      <button
        type="button"
        className="pay"
        aria-disabled={pay.isPending}
        onClick={() => pay.press(isApart)}
      >
        <span lang="ko">{pay.isPending ? t.paying : t.pay}</span>
        {language === "en" && !pay.isPending && <small>{t.english}</small>}
      </button>
      {props.onFlow && (
        <label className="check">
          <input type="checkbox" checked={isApart} onChange={(e) => setApart(e.target.checked)} />
          {t.apart}
        </label>
      )}
    </section>
  );
}

/** Order, then go to the gateway's page: in this tab, or in one beside it. */
function usePay(flow: Flow) {
  const [, navigate] = useLocation();
  return usePress({
    key: ["pay"],
    run: async (isApart: boolean) => {
      const tab = isApart ? window.open("about:blank", "_blank") : null;
      try {
        const { transaction, payAt } = await begin(flow);
        if (payAt && tab) tab.location.replace(payAt);
        else tab?.close();
        const receipt = `${flow === "app" ? "/demo/app" : "/demo"}/receipt`;
        if (!payAt || tab) navigate(`${receipt}?transaction_id=${transaction}`);
        else location.assign(payAt);
      } catch (error) {
        tab?.close();
        throw error;
      }
    },
  });
}
