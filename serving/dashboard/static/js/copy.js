// Ids that can be copied with a click or the keyboard, and links to the page of an order.

import { el, notify } from "./dom.js";

/** Return a button that copies `text`, written as `shown`; a dash where there is none. */
export function copyable(text, shown = text) {
  if (text === null || text === undefined || text === "") return "–";
  const button = el(
    "button",
    {
      type: "button",
      class: "plain mono wrap",
      title: "Copy",
      aria: { label: `Copy ${text}` },
      data: { key: `copy-${text}` },
    },
    shown,
  );
  button.addEventListener("click", () => copy(button, text));
  return button;
}

/** Return a link to the page of an order: the chain from it back to raw data and code. */
export const whyLink = (id, text = "why?") =>
  el("a", { class: "why nowrap", href: `/why/${encodeURIComponent(id)}`, title: `Why order ${id}?` }, text);

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    notify(`Copied ${text}`);
  } catch {
    // The browser keeps the clipboard to itself: mark the text, so that a key press copies it.
    getSelection().selectAllChildren(button);
    notify("Marked: copy it with the keyboard.");
  }
}
