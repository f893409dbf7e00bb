import type { ReactNode } from "react";

/** A message in the page. What went wrong is said at once, the rest when the reader is idle. */
export function Notice(props: { kind: "good" | "bad" | "wait" | "plain"; children: ReactNode }) {
  return (
    <div className={`notice ${props.kind}`} role={props.kind === "bad" ? "alert" : "status"}>
      {props.kind === "wait" && <span className="spinner" aria-hidden="true" />}
      <div>{props.children}</div>
    </div>
  );
}
