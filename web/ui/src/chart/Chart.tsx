import { type RefObject, useEffect, useMemo, useRef } from "react";
import type { Entry } from "../api/schema.ts";
import { useTexts } from "../shared/language.tsx";
import { Arrow } from "./Arrow.tsx";
import { picture } from "./picture.ts";
import { travel } from "./travel.ts";

const texts = {
  chart: ["결제 상태도", "The chart of a payment"],
  at: ["현재 상태", "now in"],
  by: ["지나온 길", "by way of"],
} as const;
const { width, height, box: size } = picture;

/** The chart, the same picture everywhere; a payment's way through it is lit. */
export function Chart(props: { entries: readonly Entry[] }) {
  const t = useTexts(texts);
  const way = useMemo(() => travel(props.entries), [props.entries]);
  const box = useRef<HTMLDivElement>(null);
  useInView(box, way.at);
  const told = way.at ? `${t.at} ${way.at}; ${t.by} ${[...way.been].join(", ")}` : "";
  return (
    <div ref={box} className="chart" role="group" aria-label={t.chart} tabIndex={0}>
      <svg viewBox={`0 30 ${width} ${height - 30}`} role="img" aria-label={`${t.chart} ${told}`}>
        <defs>
          {["still", "lit"].map((kind) => (
            <marker key={kind} id={`head-${kind}`} viewBox="0 0 8 8" refX="7" refY="4"
              markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">
              <path className={`head ${kind}`} d="M0 0L8 4L0 8z" />
            </marker>
          ))}
        </defs>
        {picture.edges.map((edge) => (
          <Arrow key={`${edge.source}>${edge.target}`} edge={edge} way={way} />
        ))}
        {picture.states.map(({ id, x, y, kind }) => (
          <g key={id} data-state={id} data-at={way.at === id || undefined}
            className={`state ${kind} ${way.been.has(id) ? "been" : ""} ${way.at === id ? "at" : ""}`}>
            <rect x={x - size.width / 2} y={y - size.height / 2} {...size} rx="12" />
            <text x={x} y={y + 5}>{id}</text>
          </g>
        ))}
      </svg>
    </div>
  );
}

/** On a narrow screen, where the payment stands is moved to the middle. */
function useInView(box: RefObject<HTMLDivElement | null>, at: string | null) {
  useEffect(() => {
    const found = box.current;
    const spot = found?.querySelector("[data-at]")?.getBoundingClientRect();
    if (!found || !spot || found.scrollWidth <= found.clientWidth) return;
    const frame = found.getBoundingClientRect();
    found.scrollLeft += spot.left + spot.width / 2 - frame.left - frame.width / 2;
  }, [box, at]);
}
