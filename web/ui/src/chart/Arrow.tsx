import type { picture } from "./picture.ts";
import type { Travel } from "./travel.ts";

type Edge = (typeof picture.edges)[number];

/** One arrow of the chart: still, taken, or just now taken. */
export function Arrow(props: { edge: Edge; way: Travel }) {
  const { edge, way } = props;
  const name = `${edge.source}>${edge.target}`;
  const times = way.taken.get(name) ?? 0;
  const kind = ["edge", edge.main && "main", times && "taken", way.last === name && "last"];
  return (
    <>
      <path
        // A new key starts the animation anew each time the arrow is taken.
        key={times}
        className={kind.filter(Boolean).join(" ")}
        d={edge.d}
        data-taken={times || undefined}
        markerEnd={`url(#head-${times ? "lit" : "still"})`}
        pathLength={1}
      >
        <title>{`${edge.source} → ${edge.target}: ${edge.events.join(", ")}`}</title>
      </path>
      {"label" in edge && (
        <text className="label" x={edge.label.x} y={edge.label.y}>
          {edge.label.text}
        </text>
      )}
    </>
  );
}
