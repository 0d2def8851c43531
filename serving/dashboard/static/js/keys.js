// Keys: figures jump to panels, a few letters act on the page itself. Nothing that trades has a key of its own.

import { openDialog } from "./dialog.js";
import { el } from "./dom.js";

const STORE = "pairity-keys";
const enabled = () => localStorage.getItem(STORE) !== "off";

/** Listen. `panels` in their order; `commands` maps a key to `[words, function]`. */
export function startKeys(panels, commands) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input, select, textarea")) return;
    if (event.key !== "?" && !enabled()) return;
    const panel = keyOf(panels).get(event.key);
    if (panel) jumpTo(panel);
    else if (commands[event.key]) commands[event.key][1]();
    else return;
    event.preventDefault();
  });
}

/** Scroll to a panel and put the focus into it. */
export function jumpTo(panel) {
  panel.node.scrollIntoView({ block: "start", behavior: "instant" });
  panel.body.focus({ preventScroll: true });
}

function keyOf(panels) {
  return new Map(panels.map((panel, index) => [index < 9 ? String(index + 1) : index === 9 ? "0" : "-", panel]));
}

/** Open the list of keys. */
export function openHelp(panels, commands) {
  const names = [...keyOf(panels)].map(([key, panel]) => [key, panel.node.querySelector("h2").textContent]);
  const rows = [...names, ...Object.entries(commands).map(([key, [words]]) => [key, words])];
  const box = el("input", { type: "checkbox", id: "keys-on" });
  box.checked = enabled();
  box.addEventListener("change", () => localStorage.setItem(STORE, box.checked ? "on" : "off"));
  openDialog(
    "Keys",
    el(
      "div",
      { class: "inside" },
      el(
        "dl",
        { class: "facts" },
        rows.map(([key, words]) => el("div", {}, el("dt", {}, words), el("dd", {}, el("kbd", {}, key)))),
      ),
      el("label", { class: "inline" }, box, "Single keys act (this help stays on ?)"),
      el(
        "p",
        { class: "hint" },
        "Tab goes through everything, Enter and space press, Escape closes. All times are UTC but for the local clock in the bar.",
      ),
    ),
  );
}
