// Risk: distance to each limit, exposure, margin, the next funding with its cost, fees so far.

import { until } from "../ages.js";
import { el, fill } from "../dom.js";
import { asset, known, number, percent, share, signed, UNKNOWN } from "../format.js";
import { meter, state } from "../figures.js";
import { block, empty, facts, Panel } from "../panel.js";
import { plainTable } from "../table.js";

export function riskPanel(resources) {
  const panel = new Panel("risk", "Risk", [resources.risk]);
  resources.risk.onChange(() => {
    const risk = resources.risk.value;
    if (risk) fill(panel.body, exposure(risk), limits(risk.limits ?? []), funding(risk.funding ?? []));
  });
  return panel;
}

function exposure({ exposure: held = {}, fees_usdt: fees = {} }) {
  return facts(
    ["gross exposure", `${number(held.gross_usdt)} USDT`],
    ["net exposure", `${signed(held.net_usdt)} USDT`],
    ["leverage", known(held.leverage) ? `${number(held.leverage)} ×` : UNKNOWN],
    ["margin ratio", number(held.margin_ratio, 1)],
    ["fees today", `${number(fees.today)} USDT`],
    ["fees so far", `${number(fees.all)} USDT`],
  );
}

function limits(rows) {
  if (!rows.length) return block("Limits", empty("No limit was measured yet."));
  const cells = rows.map((row) => [
    // The unit stands once, under the name: on a phone there is no room for it beside each figure.
    el("span", { title: row.name }, nameOf(row), unitOf(row)),
    used(row),
    figure(row.measured, row.unit),
    figure(row.allowed, row.unit),
    row.consequence,
  ]);
  return block(
    "Distance to each limit",
    plainTable("Limits", ["limit", "used", "now", "allowed", "then"], cells, [0, 1, 4]),
  );
}

/** A limit goes by the name of its setting; here without what all of them share. */
const nameOf = (row) => String(row.name).replace("limits.", "").replaceAll("_", " ");

/** The unit of a limit; a fraction is written as per cent. */
const unitOf = (row) =>
  row.unit && row.unit !== "fraction" ? el("small", { class: "muted unit" }, row.unit) : null;

function used(row) {
  if (row.allowed === null) return state("note", "no limit");
  if (!known(row.used_fraction)) return state("unknown", "not measured");
  const sign = row.used_fraction >= 1 ? "✕ " : row.used_fraction >= 0.8 ? "! " : "";
  return el(
    "span",
    { class: "used" },
    meter(row.used_fraction, nameOf(row)),
    el("span", {}, `${sign}${number(row.used_fraction * 100, 0)}%`),
  );
}

function figure(value, unit) {
  if (!known(value)) return UNKNOWN;
  return unit === "fraction" ? share(value) : number(value, Number.isInteger(value) && unit !== "USDT" ? 0 : 2);
}

function funding(rows) {
  if (!rows.length) return block("Next funding", el("p", { class: "muted" }, "Nothing is held that pays funding."));
  const cells = rows.map((row) => [
    asset(row.instrument),
    percent(row.rate, 4),
    row.next_at ? until(row.next_at, "in ") : UNKNOWN,
    known(row.cost_usdt) ? `${signed(row.cost_usdt, 3)} USDT` : UNKNOWN,
  ]);
  return block("Next funding", plainTable("Next funding", ["leg", "rate", "due", "result for us"], cells));
}
