// Events and alerts: kept by the process, filtered here, acknowledged by a person.

import { el, fill } from "../dom.js";
import { readable, stamp } from "../format.js";
import { symbol } from "../figures.js";
import { empty, Panel } from "../panel.js";
import { moreButton, Pages } from "../pages.js";

const SIGNS = { critical: "bad", warning: "warn", info: "note" };

/** Return whether an event waits for a person: information does not. */
const waits = (event) => !event.acknowledged_at && event.severity !== "info";

export function eventsPanel(resources, { onAcknowledge, onAcknowledgeAll }) {
  const option = (value, text = value) => el("option", { value }, text);
  const severity = el(
    "select",
    { aria: { label: "Severity" }, on: { change: () => draw() } },
    option("", "all severities"),
    ["critical", "warning", "info"].map((name) => option(name)),
  );
  const kind = el("select", { aria: { label: "Kind" }, on: { change: () => draw() } }, option("", "all kinds"));
  const waiting = el(
    "select",
    { aria: { label: "Acknowledged" }, on: { change: () => draw() } },
    option("", "all"),
    option("no", "waiting"),
    option("yes", "acknowledged"),
  );
  const all = el(
    "button",
    { type: "button", data: { act: "acknowledge-all" }, on: { click: onAcknowledgeAll } },
    "Acknowledge all",
  );
  const panel = new Panel("events", "Events and alerts", [resources.events], {
    flush: true,
    tools: [severity, kind, waiting, all],
  });
  const pages = new Pages(resources.events, "event_id", () => draw());

  function draw() {
    const items = pages.items();
    if (!items) return;
    const kinds = [...new Set(items.map((item) => item.kind))].sort();
    const chosen = kind.value;
    fill(
      kind,
      option("", "all kinds"),
      kinds.map((name) => el("option", { value: name, selected: name === chosen }, name)),
    );
    const open = items.filter(waits).length;
    all.disabled = open === 0;
    all.textContent = open ? `Acknowledge all (${open})` : "Acknowledge all";
    if (!items.length) return fill(panel.body, empty("Nothing happened yet."));
    const rows = items.filter(
      (item) =>
        (!severity.value || item.severity === severity.value) &&
        (!kind.value || item.kind === kind.value) &&
        (!waiting.value || (waiting.value === "no" ? waits(item) : Boolean(item.acknowledged_at))),
    );
    fill(
      panel.body,
      rows.length
        ? el(
            "ul",
            {},
            rows.map((item) => line(item, onAcknowledge)),
          )
        : empty("No event matches."),
      moreButton(pages),
    );
  }

  resources.events.onChange(draw);
  return panel;
}

function line(event, onAcknowledge) {
  const done = event.acknowledged_at
    ? ` · ✓ acknowledged ${stamp(event.acknowledged_at)} by ${event.acknowledged_by ?? "a person"}`
    : "";
  const button = waits(event)
    ? el(
        "button",
        {
          type: "button",
          aria: { label: `Acknowledge: ${event.text}` },
          data: { key: `ack-${event.event_id}`, act: "acknowledge" },
          on: { click: () => onAcknowledge(event) },
        },
        "Ack",
      )
    : null;
  return el(
    "li",
    { class: "event", data: { event: event.event_id } },
    symbol(SIGNS[event.severity] ?? "note"),
    el(
      "div",
      {},
      el("p", { class: waits(event) ? "strong" : null }, readable(event.text)),
      el("small", {}, `${stamp(event.at)} · ${event.severity} · ${event.kind}${done}`),
    ),
    button,
  );
}
