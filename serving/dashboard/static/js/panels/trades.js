// Closed trades: filters, result and reason, CSV; per pair with its interval; calendar by day, week and month.

import { getText } from "../api.js";
import { whyLink } from "../copy.js";
import { el, fill, notify } from "../dom.js";
import { figure, number, pairName, signed, stamp } from "../format.js";
import { estimate, result } from "../figures.js";
import { empty, Panel } from "../panel.js";
import { moreButton, Pages } from "../pages.js";
import { SortedTable } from "../table.js";
import { drawCalendar } from "./calendar.js";
import { byPair } from "./per-pair.js";

export function tradesPanel(resources, choice) {
  const view = { tab: "list" };
  const tab = (name, text) =>
    el(
      "button",
      {
        type: "button",
        aria: { pressed: "false" },
        data: { tab: name },
        on: {
          click: () => {
            view.tab = name;
            draw();
          },
        },
      },
      text,
    );
  const tabs = [tab("list", "List"), tab("pairs", "Per pair"), tab("calendar", "Calendar")];
  const filter = (label) => el("select", { aria: { label }, on: { change: () => draw() } });
  const [pair, reason, won] = [filter("Pair"), filter("Exit reason"), filter("Result")];
  fill(
    won,
    el("option", { value: "" }, "won and lost"),
    el("option", { value: "won" }, "won"),
    el("option", { value: "lost" }, "lost"),
  );
  const by = el(
    "select",
    {
      aria: { label: "Calendar by" },
      on: {
        change: () => {
          choice.by = by.value;
          resources.calendar.refresh();
        },
      },
    },
    ["day", "week", "month"].map((name) => el("option", { value: name }, `by ${name}`)),
  );
  const csv = el("button", { type: "button", on: { click: () => saveCsv() } }, "CSV");
  const panel = new Panel("trades", "Closed trades", [resources.trades, resources.calendar], {
    flush: true,
    tools: [tabs, pair, reason, won, by, csv],
  });
  const pages = new Pages(resources.trades, "position_id", () => draw());
  const list = new SortedTable("Closed trades", LIST, () => draw());
  const pairs = new SortedTable("Closed trades per pair", PAIRS, () => draw(), { by: "trades", down: true });

  function draw() {
    for (const button of tabs) button.setAttribute("aria-pressed", String(button.dataset.tab === view.tab));
    const calendar = view.tab === "calendar";
    for (const node of [pair, reason, won]) node.hidden = calendar;
    by.hidden = !calendar;
    if (calendar) return drawCalendar(panel.body, resources.calendar.value?.items, choice.by);
    const items = pages.items();
    if (!items) return;
    offer(
      pair,
      "all pairs",
      items.map((item) => item.pair),
      pairName,
    );
    offer(
      reason,
      "all reasons",
      items.map((item) => item.exit_reason),
      String,
    );
    if (!items.length) return fill(panel.body, empty(nothingClosed()));
    const rows = items.filter(matches);
    if (!rows.length) return fill(panel.body, empty("No trade matches."));
    if (view.tab === "pairs") return fill(panel.body, pairs.draw(byPair(rows)), moreButton(pages));
    fill(panel.body, list.draw(rows), moreButton(pages));
  }

  const nothingClosed = () => {
    const last = resources.heatmap.value;
    return last?.decision_id && !last.cells.length
      ? "No name of the book was closed yet. What one that is smaller now has realised stands with the open positions."
      : "No trade was closed yet.";
  };

  const matches = (row) =>
    (!pair.value || row.pair === pair.value) &&
    (!reason.value || row.exit_reason === reason.value) &&
    (!won.value || Math.sign(figure(row.result_usdt) ?? 0) === (won.value === "won" ? 1 : -1));

  resources.trades.onChange(draw);
  resources.calendar.onChange(draw);
  return panel;
}

const LIST = [
  { name: "closed", text: true, of: (row) => row.closed_at, show: (row) => stamp(row.closed_at) },
  {
    name: "pair or name",
    text: true,
    of: (row) => row.pair ?? "",
    show: (row) => linked(`${row.direction ?? ""} ${pairName(row.pair)}`, row.entry_order_id),
  },
  { name: "result USDT", of: (row) => figure(row.result_usdt), show: (row) => result(row.result_usdt) },
  { name: "price", of: (row) => figure(row.price_usdt), show: (row) => signed(figure(row.price_usdt)) },
  { name: "fees", of: (row) => figure(row.fees_usdt), show: (row) => signed(figure(row.fees_usdt)) },
  { name: "funding", of: (row) => figure(row.funding_usdt), show: (row) => signed(figure(row.funding_usdt)) },
  { name: "hours", of: (row) => row.hours_held, show: (row) => number(row.hours_held, 1) },
  {
    name: "why closed",
    text: true,
    of: (row) => row.exit_reason ?? "",
    show: (row) => linked(row.exit_reason ?? "", row.exit_order_id),
  },
];

/** Words that lead to why their order was sent, where it is known: of a name what opened and what closed it. */
const linked = (words, order) => (order ? whyLink(order, words) : words);

const PAIRS = [
  { name: "pair or name", text: true, of: (row) => row.pair, show: (row) => pairName(row.pair) },
  { name: "trades", of: (row) => row.trades },
  { name: "won", of: (row) => row.won, show: (row) => `${row.won} of ${row.trades}` },
  { name: "result USDT", of: (row) => row.total, show: (row) => number(row.total) },
  { name: "mean a trade, 95% interval", of: (row) => row.mean, show: (row) => estimate(row.mean, row.low, row.high) },
];

function offer(select, all, values, name) {
  const chosen = select.value;
  const distinct = [...new Set(values.filter(Boolean))].sort();
  fill(
    select,
    el("option", { value: "" }, all),
    distinct.map((value) => el("option", { value, selected: value === chosen }, name(value))),
  );
}

async function saveCsv() {
  try {
    const text = await getText("trades.csv");
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    const link = el("a", { href: address, download: "trades.csv" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  } catch (error) {
    notify(`The trades cannot be saved: ${error.message}`);
  }
}
