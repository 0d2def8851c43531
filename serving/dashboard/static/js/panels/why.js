// Why (not)? Every pair of a decision with the first reason against it, or every name of a book with its weights; a row
// of a pair opens its features and lineage.

import { get } from "../api.js";
import { whyLink } from "../copy.js";
import { el, fill } from "../dom.js";
import { exact, known, number, pairName, readable, share, signed, stamp } from "../format.js";
import { empty, Panel } from "../panel.js";
import { SortedTable } from "../table.js";
import { countKinds, kindOfRow } from "./reasons.js";
import { openLineage } from "./lineage.js";

export function whyPanel(resources, choice) {
  const view = { scores: null, of: null, error: null, text: "", kind: null };
  const pick = el("select", {
    aria: { label: "Decision" },
    data: { key: "why-pick" },
    on: { change: () => choose(pick.value) },
  });
  const older = el("button", { type: "button", aria: { label: "Older decision" }, on: { click: () => step(1) } }, "‹");
  const newer = el("button", { type: "button", aria: { label: "Newer decision" }, on: { click: () => step(-1) } }, "›");
  const search = el("input", {
    type: "search",
    id: "why-filter",
    placeholder: "Filter pairs or reasons",
    aria: { label: "Filter pairs or reasons" },
    on: {
      input: () => {
        view.text = search.value.toLowerCase();
        draw();
      },
    },
  });
  const said = el("p", {});
  const chips = el("div", { class: "chips", role: "group", aria: { label: "Reasons" } });
  const panel = new Panel("why", "Why (not)?", [resources.decisions], {
    flush: true,
    tools: [older, pick, newer, search, said, chips],
  });
  const table = new SortedTable(
    "Pairs of the decision",
    columns((row) => openLineage(view.of, row)),
    () => draw(),
    { by: "score", down: true },
  );
  const names = new SortedTable("Names of the book", bookColumns(), () => draw(), { by: "target", down: true });

  const decisions = () => resources.decisions.value?.items ?? [];
  const step = (by) => {
    const at = decisions().findIndex((item) => item.decision_id === view.of);
    const next = decisions()[at + by];
    if (next) choose(next.decision_id);
  };

  async function choose(id) {
    if (!id) return;
    choice.decision = id === decisions()[0]?.decision_id ? null : id; // null follows the newest
    view.of = id;
    try {
      const found = await get(`decisions/${encodeURIComponent(id)}`);
      if (view.of !== id) return;
      Object.assign(view, { scores: found.scores ?? [], shown: found, error: null });
    } catch (error) {
      if (view.of !== id) return;
      Object.assign(view, { scores: null, shown: null, error });
    }
    draw();
  }

  function draw() {
    const items = decisions();
    fill(
      pick,
      items.map((item) =>
        el(
          "option",
          { value: item.decision_id, selected: item.decision_id === view.of },
          `${stamp(item.decision_time)} ${item.action}`,
        ),
      ),
    );
    pick.hidden = older.hidden = newer.hidden = !items.length;
    const at = items.findIndex((item) => item.decision_id === view.of);
    older.disabled = at < 0 || at >= items.length - 1;
    newer.disabled = at <= 0;
    if (!items.length) return fill(panel.body, empty("No decision yet."));
    if (view.error) return fill(panel.body, empty(`✕ ${view.error.message}`));
    if (!view.scores) return fill(panel.body, empty("loading"));
    const { action, reason, model_version: version, event_timestamp: bar } = view.shown;
    fill(
      said,
      el("b", {}, `${action}: `),
      readable(reason),
      el("span", { class: "muted" }, ` · bar of ${stamp(bar)} · model v${version}`),
      (view.shown.lineage?.order_ids ?? []).map((id, at) => [at ? " " : " · orders ", whyLink(id, `${at + 1}`)]),
    );
    fill(
      chips,
      countKinds(view.scores).map((kind) => chip(kind)),
    );
    search.placeholder = view.shown.book?.length ? "Filter names or reasons" : "Filter pairs or reasons";
    if (view.shown.book?.length) {
      const found = view.shown.book.filter(matchesName);
      return fill(panel.body, found.length ? names.draw(found) : empty("No name matches the filter."));
    }
    if (!view.scores.length) return fill(panel.body, empty("Nothing was to choose from: the reason stands above."));
    const rows = view.scores.filter(matches);
    fill(panel.body, rows.length ? table.draw(rows) : empty("No pair matches the filter."));
  }

  const chip = (kind) =>
    el(
      "button",
      {
        type: "button",
        aria: { pressed: String(view.kind === kind.key) },
        data: { key: `kind-${kind.key}` },
        on: {
          click: () => {
            view.kind = view.kind === kind.key ? null : kind.key;
            draw();
          },
        },
      },
      `${kind.sign} ${kind.count} ${kind.text}`,
    );

  const matches = (row) =>
    (view.kind === null || kindOfRow(row).key === view.kind) &&
    (view.text === "" ||
      `${row.pair} ${pairName(row.pair)} ${outcomeOf(row)}`.toLowerCase().includes(view.text));

  const matchesName = (row) =>
    view.text === "" || `${row.name} ${row.cause} ${row.why}`.toLowerCase().includes(view.text);

  resources.decisions.onChange(() => {
    const newest = decisions()[0]?.decision_id;
    const wanted = choice.decision ?? newest;
    if (wanted && wanted !== view.of) choose(wanted);
    else draw();
  });
  return panel;
}

/** What became of a pair: opened, the first reason against it, or that it was not taken; the decision says why. */
const outcomeOf = (row) => row.rejected ?? (row.outcome === "opened" ? "opened" : "not taken");

const weight = (value) => (known(value) ? `${value > 0 ? "+" : ""}${share(value, 1)}` : "–");

function bookColumns() {
  return [
    { name: "name", text: true, of: (row) => row.name, show: (row) => row.name },
    { name: "target", of: (row) => row.target_weight, show: (row) => weight(row.target_weight) },
    { name: "held", of: (row) => row.weight, show: (row) => weight(row.weight) },
    { name: "before", of: (row) => Number(row.held), show: (row) => exact(row.held) },
    { name: "after", of: (row) => Number(row.contracts), show: (row) => exact(row.contracts) },
    {
      name: "traded, and why this weight",
      text: true,
      long: true,
      of: (row) => row.cause,
      show: (row) => [
        row.held === row.contracts ? row.cause : el("b", {}, row.cause),
        `: ${row.why}`,
      ],
    },
  ];
}

function columns(open) {
  return [
    {
      name: "pair",
      text: true,
      of: (row) => row.pair,
      show: (row) =>
        el(
          "button",
          {
            type: "button",
            class: "plain",
            aria: { haspopup: "dialog" },
            data: { key: `pair-${row.pair}` },
            on: { click: () => open(row) },
          },
          pairName(row.pair),
        ),
    },
    { name: "z", of: (row) => row.z, show: (row) => signed(row.z) },
    { name: "prob.", of: (row) => row.probability, show: (row) => number(row.probability, 3) },
    { name: "edge", of: (row) => row.edge, show: (row) => signed(row.edge, 3) },
    { name: "score", of: (row) => row.score, show: (row) => number(row.score, 3) },
    {
      name: "first reason against",
      text: true,
      long: true,
      of: outcomeOf,
      show: (row) => el("span", { title: readable(row.outcome ?? "") }, `${kindOfRow(row).sign} ${outcomeOf(row)}`),
    },
  ];
}
