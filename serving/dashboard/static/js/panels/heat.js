// Heat map, assets × assets: the score as shade and figure, the first reason against as a symbol.

import { el, fill } from "../dom.js";
import { known, number, pairName, signed } from "../format.js";
import { empty, Panel } from "../panel.js";
import { countKinds, kindOfRow } from "./reasons.js";

export function heatPanel(resources, { onChart }) {
  const panel = new Panel("heat", "Heat map of the last decision", [resources.heatmap]);
  resources.heatmap.onChange(() => {
    const found = resources.heatmap.value;
    if (!found) return;
    if (!found.cells?.length) return fill(panel.body, empty(found.decision_id ? "The last decision scored no pair: a book decides on names." : "No decision yet."));
    fill(panel.body, map(found, onChart), legend(found.cells));
  });
  return panel;
}

function map({ assets, cells }, onChart) {
  const byPair = new Map(
    cells.flatMap((cell) => [
      [`${cell.a} ${cell.b}`, cell],
      [`${cell.b} ${cell.a}`, cell],
    ]),
  );
  const scores = cells.map((cell) => cell.score).filter(known);
  const largest = Math.max(...scores, Number.MIN_VALUE);
  const head = el(
    "tr",
    {},
    el("td", { class: "self" }),
    assets.map((name) => el("th", { scope: "col" }, name)),
  );
  const rows = assets.map((row) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, row),
      assets.map((column) => square(byPair.get(`${row} ${column}`), largest, `${row} ${column}`, onChart)),
    ),
  );
  return el(
    "div",
    { class: "heat", vars: { assets: assets.length } },
    el(
      "table",
      {},
      el("caption", { class: "hidden" }, "Scores of all pairs"),
      el("thead", {}, head),
      el("tbody", {}, rows),
    ),
  );
}

function square(cell, largest, key, onChart) {
  if (!cell) return el("td", { class: "self" });
  const kind = kindOfRow(cell);
  const score = number(cell.score, 1);
  const pair = `${cell.a}__${cell.b}`;
  const label = `${pairName(pair)}: score ${number(cell.score, 3)}, z ${signed(cell.z)}, probability ${number(cell.probability, 3)}, ${cell.outcome ?? cell.rejected ?? "candidate"}`;
  const share = known(cell.score) ? Math.max(0, cell.score / largest) : 0;
  return el(
    "td",
    {},
    el(
      "button",
      {
        type: "button",
        class: kind.key === "opened" || kind.key === "candidate" ? kind.key : null,
        title: label,
        aria: { label },
        vars: { share: share.toFixed(3) },
        data: { key: `heat-${key}` },
        on: { click: () => onChart(pair) },
      },
      el("span", {}, score),
      el("span", {}, kind.sign),
    ),
  );
}

function legend(cells) {
  return el(
    "p",
    { class: "legend" },
    countKinds(cells).map((kind) => el("span", {}, `${kind.sign} ${kind.text} (${kind.count})`)),
    el("span", {}, "the fuller the shade, the higher the score"),
  );
}
