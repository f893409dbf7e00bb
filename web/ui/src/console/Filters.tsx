import { useSearchParams } from "wouter";
import { useLanguage, useTexts, within } from "../shared/language.tsx";
import { STATUS } from "../payment/status.ts";
import { FILTERS } from "./filters.ts";

const texts = {
  filters: ["거르기", "Filters"],
  status: ["상태", "State"],
  all: ["모두", "All"],
  order: ["주문 번호", "Order id"],
  provider: ["게이트웨이", "Gateway"],
  review: ["확인 필요", "Needs review"],
  yes: ["예", "Yes"],
  no: ["아니요", "No"],
  from: ["시작일", "From"],
  to: ["종료일", "To"],
  clear: ["지우기", "Clear"],
} as const;

export function Filters() {
  const { language } = useLanguage();
  const t = useTexts(texts);
  const [query, setQuery] = useSearchParams();
  const field = (name: (typeof FILTERS)[number]) => ({
    name,
    value: query.get(name) ?? "",
    onChange: ({ target }: { target: { value: string } }) =>
      setQuery(
        (now) => {
          if (target.value) now.set(name, target.value);
          else now.delete(name);
          return now;
        },
        { replace: true },
      ),
  });
  return (
    <form className="filters" role="search" aria-label={t.filters} onSubmit={(event) => event.preventDefault()}>
      <label>{t.status}
        <select {...field("status")}>
          <option value="">{t.all}</option>
          {Object.entries(STATUS).map(([id, { name }]) => (
            <option key={id} value={id}>{within(name, language)}</option>
          ))}
        </select>
      </label>
      <label>{t.order}<input {...field("order_id")} autoComplete="off" /></label>
      <label>{t.provider}<input {...field("provider")} autoComplete="off" placeholder="kakaopay" /></label>
      <label>{t.review}
        <select {...field("needs_review")}>
          <option value="">{t.all}</option>
          <option value="true">{t.yes}</option>
          <option value="false">{t.no}</option>
        </select>
      </label>
      <label>{t.from}<input type="date" {...field("from")} /></label>
      <label>{t.to}<input type="date" {...field("to")} /></label>
      {FILTERS.some((name) => query.get(name)) && (
        <button type="button" className="quiet" onClick={() => setQuery({}, { replace: true })}>{t.clear}</button>
      )}
    </form>
  );
}
