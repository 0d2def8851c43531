// One pair in its course: chosen here, from a position or from the heat map.

import { el, fill } from "../dom.js";
import { pairName, signed } from "../format.js";
import { Chart } from "../charts/chart.js";
import { pairOption } from "../charts/pair.js";
import { empty, Panel } from "../panel.js";

export function pairPanel(resources, choice) {
  const panel = new Panel("pair", "Pair", [resources.pair]);
  const chart = new Chart("Pair", pairOption);
  const pick = el("select", { aria: { label: "Pair" }, on: { change: () => choose(pick.value) } });
  const legend = el(
    "p",
    { class: "legend" },
    el("span", {}, "▲ entry"),
    el("span", {}, "▼ exit"),
    el("span", {}, "dashed: bands of z"),
    el("span", {}, "solid: live stop and target"),
  );
  panel.add(pick);
  panel.body.classList.add("column");

  /** Show a pair from now on; the reader's choice outlives news. */
  function choose(pair, by = "reader") {
    if (!pair || pair === choice.pair) return;
    choice.pair = pair;
    choice.pairBy = by;
    for (const name of ["pair", "first", "second"]) {
      resources[name].value = null;
      resources[name].refresh();
    }
    fill(panel.body, empty("loading"));
    offer();
  }

  function offer() {
    const pairs = new Set((resources.heatmap.value?.cells ?? []).map((cell) => `${cell.a}__${cell.b}`));
    if (choice.pair) pairs.add(choice.pair);
    fill(
      pick,
      [...pairs].sort().map((pair) => el("option", { value: pair, selected: pair === choice.pair }, pairName(pair))),
    );
    pick.hidden = pairs.size === 0;
  }

  /** Until the reader chooses, what is held is shown, else the best of the last decision. */
  function follow() {
    if (choice.pairBy !== "reader") {
      const held = resources.positions.value?.items.find((item) => item.pair && item.kind !== "book")?.pair;
      const cells = (resources.heatmap.value?.cells ?? []).filter((cell) => typeof cell.score === "number");
      const best = cells.sort((a, b) => b.score - a.score)[0];
      choose(held ?? (best ? `${best.a}__${best.b}` : null), "page");
    }
    offer();
    if (!choice.pair && resources.heatmap.value) fill(panel.body, empty(emptyReason()));
  }

  const emptyReason = () =>
    resources.heatmap.value.decision_id ? "The last decision scored no pair: a book decides on names." : "No pair was decided on yet.";

  function draw() {
    const series = resources.pair.value;
    if (!series) return;
    if (!series.points?.length) return fill(panel.body, empty("No series of this pair is kept."));
    if (!panel.body.contains(chart.node)) fill(panel.body, chart.node, legend);
    const z = series.points.at(-1)[2];
    const value = {
      series,
      first: resources.first.value,
      second: resources.second.value,
      assets: choice.pair.split("__"),
    };
    chart.show(
      value,
      `${pairName(choice.pair)}: z ${signed(z)} now, entry band ±${series.bands?.entry ?? "unknown"}, ${series.trades?.length ?? 0} marks of trades`,
    );
  }

  for (const name of ["pair", "first", "second"]) resources[name].onChange(draw);
  for (const name of ["positions", "heatmap"]) resources[name].onChange(follow);
  panel.choose = choose;
  return panel;
}
