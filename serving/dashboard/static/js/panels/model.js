// Model: champion beside challenger, the gate, drift of scores with its limit, the live result inside its band.

import { copyable } from "../copy.js";
import { el, fill } from "../dom.js";
import { known, number, pairName, share, short, signed, stamp } from "../format.js";
import { bandBar, meter, state, verdict } from "../figures.js";
import { block, empty, facts, Panel } from "../panel.js";
import { plainTable } from "../table.js";

export function modelPanel(resources) {
  const panel = new Panel("model", "Model", [resources.model]);
  resources.model.onChange(() => {
    const model = resources.model.value;
    if (model)
      fill(
        panel.body,
        versions(model),
        live(model.live),
        drift(model.drift),
        gate(model.gate ?? []),
        shadow(model.shadow),
      );
  });
  return panel;
}

const GATES = { passed: "good", failed: "bad" };

function versions({ champion, challenger }) {
  const rows = [
    ["name", (item) => `${item.name ?? ""} v${item.version ?? "–"}`],
    ["family", (item) => item.family ?? "–"],
    [
      "gate",
      (item) =>
        el("span", { title: item.gate_reason ?? "" }, state(GATES[item.gate] ?? "unknown", item.gate ?? "unknown")),
    ],
    ["in shadow", (item) => item.state ?? "–"],
    ["trained up to", (item) => stamp(item.train_end)],
    ["run", (item) => (item.run_id ? copyable(item.run_id, short(item.run_id, 12)) : "–")],
    ["snapshot", (item) => short(item.snapshot_id, 18)],
  ];
  const side = (item, show) => (item?.version ? show(item) : "–");
  return el(
    "div",
    {},
    plainTable(
      "Champion and challenger",
      ["version of", "champion", "challenger"],
      rows.map(([name, show]) => [name, side(champion, show), side(challenger, show)]),
      [0, 1, 2],
    ),
    challenger
      ? challenger.gate_reason
        ? el("p", { class: "muted" }, `Challenger: ${challenger.gate_reason}`)
        : null
      : el("p", { class: "muted" }, "No challenger is scored in shadow."),
  );
}

function live(found) {
  if (!found) return null;
  const words = { inside: "good", outside: "bad" };
  const head = el(
    "p",
    {},
    state(words[found.verdict] ?? "unknown", found.verdict ?? "not known"),
    el(
      "span",
      { class: "muted" },
      ` · ${found.trades ?? 0} trades · ${known(found.result_usdt) ? `${signed(found.result_usdt)} USDT` : "no result"}`,
    ),
  );
  const { low, median, high } = found.expected ?? {};
  const band = [low, median, high, found.result_usdt].every(known)
    ? bandBar(low, median, high, found.result_usdt)
    : el("p", { class: "muted" }, "The backtest gives no band to compare with yet.");
  return block("Live result in the band that the backtest expects", head, band);
}

function drift(found) {
  if (!found || !known(found.share)) return block("Drift", el("p", { class: "muted" }, "Not measured."));
  const used = known(found.limit) && found.limit > 0 ? found.share / found.limit : null;
  const line = (name, item) => el("li", {}, `${name} `, el("span", { class: "muted" }, share(item.share)));
  const worst = [
    ...(found.worst ?? []).map((item) => line(item.feature, item)),
    ...(found.worst_pairs ?? []).map((item) => line(pairName(item.pair), item)),
  ];
  return block(
    "Drift of the inputs",
    el(
      "p",
      {},
      verdict(used === null ? null : used < 1, "inside its limit", "above its limit"),
      ` ${share(found.share)} of ${share(found.limit)}`,
    ),
    used === null ? null : meter(used, "drift"),
    worst.length ? el("ul", {}, worst) : null,
  );
}

function gate(rows) {
  if (!rows.length) return block("Gate", empty("No checks are recorded for this version."));
  const figure = (value) => (known(value) ? number(value, Number.isInteger(value) ? 0 : 3) : (value ?? "–"));
  return block(
    "Gate",
    plainTable(
      "Gate",
      ["check", "value", "threshold", "passed"],
      rows.map((row) => [row.check, figure(row.value), figure(row.threshold), verdict(row.passed, "yes", "no")]),
      [0, 1, 2, 3],
    ),
  );
}

function shadow(found) {
  if (!found) return null;
  const flat = Object.entries(found).filter(([, value]) => typeof value !== "object" || value === null);
  return block(
    "Shadow",
    facts(
      ...flat.map(([name, value]) => [
        name.replaceAll("_", " "),
        known(value) ? number(value, Number.isInteger(value) ? 0 : 3) : String(value ?? "–"),
      ]),
    ),
  );
}
