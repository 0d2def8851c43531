// Calendar of closed results: months of days that begin on Monday, or a list of weeks or months.

import { el, fill } from "../dom.js";
import { arrow, figure, signed, tone } from "../format.js";
import { empty, block } from "../panel.js";

const DAY_MS = 86400e3;

/** Draw the calendar into `place`; `by` is day, week or month. */
export function drawCalendar(place, items, by) {
  if (!items) return fill(place, empty("loading"));
  if (!items.length) return fill(place, empty("No trade was closed yet."));
  const largest = Math.max(...items.map((item) => Math.abs(figure(item.result_usdt) ?? 0)), Number.MIN_VALUE);
  // A change of `by` is drawn with the answer to it: until then what stands there are the periods before.
  const days = by === "day" && /^\d{4}-\d\d-\d\d$/.test(items[0].period);
  const box = (inside) => el("div", { class: "tools" }, inside);
  if (!days)
    return fill(
      place,
      box(
        el(
          "ul",
          { class: "calendar wide" },
          items.map((item) => square(item, item.period, largest)),
        ),
      ),
    );
  fill(
    place,
    box(
      months(items).map(([month, found]) =>
        block(month, el("ul", { class: "calendar" }, daysOf(month, found, largest))),
      ),
    ),
  );
}

function months(items) {
  const groups = new Map();
  for (const item of items) groups.set(item.period.slice(0, 7), [...(groups.get(item.period.slice(0, 7)) ?? []), item]);
  return [...groups].sort(([a], [b]) => b.localeCompare(a));
}

function daysOf(month, items, largest) {
  const byDay = new Map(items.map((item) => [item.period, item]));
  const first = new Date(`${month}-01T00:00:00Z`);
  const before = (first.getUTCDay() + 6) % 7;
  const squares = Array.from({ length: before }, () => el("li", { aria: { hidden: "true" } }));
  for (let at = first; at.getUTCMonth() === first.getUTCMonth(); at = new Date(at.getTime() + DAY_MS)) {
    const day = at.toISOString().slice(0, 10);
    const item = byDay.get(day);
    squares.push(item ? square(item, day.slice(8), largest) : el("li", {}, el("small", {}, day.slice(8))));
  }
  return squares;
}

function square(item, name, largest) {
  const result = figure(item.result_usdt);
  const kind = tone(result);
  const shade = { up: "var(--up)", down: "var(--down)", flat: "var(--raised)" }[kind];
  const title = `${item.period}: ${signed(result)} USDT, ${item.trades} trades, ${item.won} won, ${item.lost} lost`;
  return el(
    "li",
    { title, vars: { tone: shade, share: (Math.abs(result ?? 0) / largest).toFixed(3) } },
    el("small", {}, `${name} · ${item.trades}`),
    el("b", { class: kind }, `${arrow(result)} ${signed(result, 1)}`),
  );
}
