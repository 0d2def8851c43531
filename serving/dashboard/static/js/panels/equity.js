// Equity, unrealised included: the range is the reader's choice.

import { el, fill } from "../dom.js";
import { percent, share, signed } from "../format.js";
import { Chart } from "../charts/chart.js";
import { equityOption, MARK_WORDS } from "../charts/equity.js";
import { empty, Panel } from "../panel.js";

const RANGES = ["24h", "7d", "30d", "all"];

export function equityPanel(resources, choice) {
  const panel = new Panel("equity", "Equity", [resources.equity]);
  const chart = new Chart("Equity", equityOption);
  const said = el("span", {});
  const ranges = el(
    "span",
    { role: "group", aria: { label: "Range" } },
    RANGES.map((range) => button(range)),
  );
  const legend = el(
    "p",
    { class: "legend" },
    el("span", {}, el("b", { class: "accent", aria: { hidden: "true" } }, "━"), " equity"),
    el("span", {}, el("span", { class: "muted", aria: { hidden: "true" } }, "—"), " BTC, right scale"),
    MARK_WORDS.map(([sign, word]) => el("span", {}, `${sign} ${word}`)),
  );
  panel.add(ranges, said);
  panel.body.classList.add("column");

  function button(range) {
    return el(
      "button",
      {
        type: "button",
        class: "plain",
        aria: { pressed: String(range === choice.range) },
        data: { range },
        on: {
          click: () => {
            choice.range = range;
            mark();
            resources.equity.refresh();
          },
        },
      },
      range,
    );
  }

  const mark = () => {
    for (const node of ranges.children) node.setAttribute("aria-pressed", String(node.dataset.range === choice.range));
  };

  resources.equity.onChange(() => {
    const found = resources.equity.value;
    if (!found) return fill(panel.body, empty(resources.equity.error ? "nothing could be read yet" : "loading"));
    if (!found.points?.length) {
      fill(said);
      return fill(panel.body, empty("No equity was noted yet."));
    }
    const [first, last] = [found.points[0][1], found.points.at(-1)[1]];
    const part = first ? last / first - 1 : null;
    // No colour: payments in and out are part of it, and they are no result.
    fill(said, `change ${signed(last - first)} USDT `, el("span", { class: "muted" }, percent(part)));
    said.title = "From the first to the last mark of the range, payments in and out included";
    if (!panel.body.contains(chart.node)) fill(panel.body, chart.node, legend);
    const worst = Math.max(...found.points.map((point) => Math.abs(point[2] ?? 0)));
    chart.show(
      found,
      `Equity over ${choice.range}: ${signed(last - first)} USDT, ${percent(part)}, largest drawdown ${share(worst)}, ${found.markers?.length ?? 0} marks`,
    );
  });
  return panel;
}
