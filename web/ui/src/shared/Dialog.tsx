import { type ReactNode, useEffect, useId, useRef } from "react";

/** A modal dialog: the browser's own, which keeps the focus inside and closes on Escape. */
export function Dialog(props: { title: string; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    const found = dialog.current;
    found?.showModal();
    return () => found?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={title} onClose={props.onClose}>
      <h2 id={title}>{props.title}</h2>
      {props.children}
    </dialog>
  );
}
