// The frame of a panel: heading, tools, body, its age, and what could not be read.

import { age } from "./ages.js";
import { el, fill } from "./dom.js";
import { isOld } from "./freshness.js";

/** One panel of the grid. `sources` are the resources it draws; its age is that of the oldest. */
export class Panel {
  constructor(id, title, sources, { flush = false, tools = [] } = {}) {
    this.sources = sources;
    this.age = el("span", { class: "age" });
    this.failure = el("p", { class: "failure", hidden: true });
    this.body = el("div", {
      class: flush ? "body flush" : "body",
      tabindex: "0",
      role: "group",
      aria: { label: title },
    });
    this.tools = tools.length ? el("div", { class: "tools" }, tools) : null;
    const head = el("header", {}, el("h2", { id: `${id}-title` }, title), this.age);
    this.node = el(
      "section",
      { id, class: "panel", aria: { labelledby: `${id}-title` } },
      head,
      this.tools,
      this.failure,
      this.body,
    );
    this.head = head;
    fill(this.body, el("p", { class: "empty" }, "loading"));
  }

  /** Put something beside the heading. */
  add(...nodes) {
    this.age.before(...nodes);
  }

  /**
   * Mark the panel as old or current, with when it was read; say what cannot be read. `why` says why what was read is
   * not current. Called with every tick.
   */
  showAge(alive, why = "") {
    const failed = this.sources.find((source) => source.error !== null);
    const old = !alive || why !== "" || this.sources.some(isOld);
    this.node.classList.toggle("old", old);
    const oldest = Math.min(...this.sources.map((source) => source.readAt ?? Infinity));
    this.age.textContent = "";
    if (Number.isFinite(oldest)) {
      const seconds = Math.max(0, Math.round((Date.now() - oldest) / 1000));
      this.age.textContent = old ? `not current: ${why || `read ${seconds} s ago`}` : `read ${seconds} s ago`;
    }
    // While nothing answers, the page as a whole says so; each panel need not.
    const text =
      failed && alive
        ? `✕ cannot be read: ${failed.error.message}${failed.error.remedy ? ` (${failed.error.remedy})` : ""}`
        : "";
    if (this.failure.textContent !== text) this.failure.textContent = text;
    this.failure.hidden = text === "";
    if (failed && this.sources[0].value === null)
      fill(this.body, el("p", { class: "empty" }, "nothing could be read yet"));
  }
}

/** A message where there is nothing to draw. */
export const empty = (text) => el("p", { class: "empty" }, text);

/** A list of terms and values. */
export function facts(...rows) {
  return el(
    "dl",
    { class: "facts" },
    rows.filter(Boolean).map(([term, ...value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))),
  );
}

/** A heading with what belongs to it. */
export const block = (title, ...children) => el("div", { class: "block" }, el("h3", {}, title), children);

/** Since when something is so, or that it never was. */
export const seen = (iso, never = "never") => (iso ? age(iso) : never);
