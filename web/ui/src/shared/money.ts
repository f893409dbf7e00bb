import type { Language } from "./language.tsx";

/** An amount in minor units as text. The number is never divided: it is cut as digits. */
export function money(amount: number, currency: string, language: Language): string {
  const format = new Intl.NumberFormat(language, {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
  });
  const places = format.resolvedOptions().maximumFractionDigits ?? 0;
  return format.format(decimal(amount, places) as Intl.StringNumericLiteral);
}

function decimal(amount: number, places: number): string {
  const sign = amount < 0 ? "-" : "";
  const digits = String(Math.abs(amount)).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  return places ? `${sign}${whole}.${digits.slice(-places)}` : `${sign}${whole}`;
}

/** What a person typed as an amount, in minor units of a currency without any; null if not one. */
export function wholeAmount(text: string): number | null {
  const digits = text.replace(/[\s,₩원]/g, "");
  return /^(0|[1-9][0-9]{0,12})$/.test(digits) ? Number(digits) : null;
}
