// Modal dialogs: the browser keeps the focus inside, Escape closes them, and the focus goes back where it came from.

import { el } from "./dom.js";

/** Open a dialog with a title and content; return it. It is gone from the page once it is closed. */
export function openDialog(title, content, { broad = false } = {}) {
  const from = document.activeElement;
  const key = from?.dataset?.key;
  const close = el("button", { type: "button", class: "plain", aria: { label: "Close this dialog" } }, "✕");
  const heading = el("h2", { id: "dialog-title" }, title);
  const dialog = el(
    "dialog",
    { class: broad ? "broad" : null, aria: { labelledby: "dialog-title" } },
    el("header", {}, heading, close),
    content,
  );
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    // What opened it may have been drawn anew meanwhile: its key finds it again.
    const back = from?.isConnected ? from : key && document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    back?.focus?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
