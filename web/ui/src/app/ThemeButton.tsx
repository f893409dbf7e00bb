import { useState } from "react";
import { useTexts } from "../shared/language.tsx";
import { applyTheme, nextTheme, storedTheme } from "../shared/theme.ts";

const texts = {
  system: ["화면: 시스템 설정", "Theme: as the system"],
  light: ["화면: 밝게", "Theme: light"],
  dark: ["화면: 어둡게", "Theme: dark"],
} as const;
const SIGNS = { system: "◐", light: "☀", dark: "☾" } as const;

export function ThemeButton() {
  const [theme, setTheme] = useState(storedTheme);
  const t = useTexts(texts);
  const turn = () => {
    const next = nextTheme(theme);
    applyTheme(next);
    setTheme(next);
  };
  return (
    <button type="button" className="plain" title={t[theme]} aria-label={t[theme]} onClick={turn}>
      <span aria-hidden="true">{SIGNS[theme]}</span>
    </button>
  );
}
