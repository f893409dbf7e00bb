import type { Language } from "./language.tsx";

/** A moment for people, in their own time zone. */
export function moment(at: string | number, language: Language): string {
  const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
  return format.format(new Date(at));
}

/** The time of day with milliseconds, for logs. */
export function clock(ms: number): string {
  const at = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  return `${day}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}
