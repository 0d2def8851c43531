// Small drawings of single figures: a result with its sign, a state with its symbol, bars and bands.

import { el } from "./dom.js";
import { arrow, figure, known, number, percent, price, signed, tone, UNKNOWN } from "./format.js";

/** A realised or open result in USDT: sign, arrow and colour. */
export function result(given, digits = 2, unit = "") {
  const value = figure(given);
  if (value === null) return el("span", { class: "muted" }, UNKNOWN);
  const sign = arrow(value, digits);
  return el(
    "span",
    { class: `nowrap ${tone(value, digits)}` },
    signed(value, digits),
    unit && ` ${unit}`,
    sign && ` ${sign}`,
  );
}

/** A change as per cent, with sign and colour. */
export const change = (value, digits = 2) =>
  el("span", { class: `nowrap ${tone(value, digits + 2)}` }, percent(value, digits));

/**
 * An estimate with its interval. It is coloured only where the whole interval lies on one side of zero: what may as
 * well be a loss is not shown as a gain.
 */
export function estimate(value, low, high, digits = 2) {
  if (!known(value)) return el("span", { class: "muted" }, UNKNOWN);
  const sure = known(low) && known(high) && (low > 0 || high < 0);
  const range = known(low) && known(high) ? ` [${signed(low, digits)}, ${signed(high, digits)}]` : " [no interval]";
  return el(
    "span",
    { class: `nowrap ${sure ? tone(value, digits) : "flat"}` },
    signed(value, digits),
    sure ? ` ${arrow(value, digits)}` : "",
    el("small", { class: "muted" }, range),
  );
}

const STATES = {
  good: ["✓", "up"],
  bad: ["✕", "down"],
  warn: ["!", "warn"],
  unknown: ["?", "muted"],
  note: ["·", "muted"],
};

/** A symbol of a state, in its colour; the words beside it say the same. */
export const symbol = (kind) =>
  el("span", { class: `strong ${STATES[kind][1]}`, aria: { hidden: "true" } }, STATES[kind][0]);

/** A state in words, with its symbol. */
export const state = (kind, ...words) =>
  el("span", { class: STATES[kind][1] === "muted" ? "muted" : null }, symbol(kind), " ", words);

/** Yes, no or not known. */
export const verdict = (value, yes, no, unknown = "not known") =>
  value === true ? state("good", yes) : value === false ? state("bad", no) : state("unknown", unknown);

/** A meter from 0 to 1, with a tone from 80% on; its figure stands beside it in words. */
export function meter(used, label) {
  if (!known(used)) return el("span", { class: "muted" }, "not measured");
  const kind = used >= 1 ? "down" : used >= 0.8 ? "warn" : "muted";
  const width = `${Math.max(0, Math.min(1, used)) * 100}%`;
  return el(
    "span",
    {
      class: `meter ${kind}`,
      role: "img",
      aria: { label: `${label}: ${number(used * 100, 0)}% used` },
      vars: { width },
    },
    el("i"),
  );
}

/** The place of `value` between `from` and `to` in per cent, kept inside. */
const place = (value, from, to) => `${Math.max(0, Math.min(1, (value - from) / (to - from || 1))) * 100}%`;

/**
 * The bar of one leg (`name`) from stop over now to target, prices as the journal writes them, with the entry as a line; null where a level is not known. Filled
 * from the entry to now: to the right is towards the target, whichever side was taken.
 */
export function spanBar({ name, ...written }) {
  const [stop, now, target, entry] = ["stop", "now", "target", "entry"].map((level) => figure(written[level]));
  if (![stop, now, target].every(known) || stop === target) return null;
  const at = parseFloat(place(now, stop, target));
  const zero = known(entry) ? parseFloat(place(entry, stop, target)) : at;
  const kind = at > zero ? "up" : at < zero ? "down" : "flat";
  const sign = { up: "▲", down: "▼", flat: "" }[kind];
  const words = (level) => `${level} ${price(written[level])}`;
  const label = `${name}: ${words("stop")}, ${words("entry")}, ${words("now")}, ${words("target")}`;
  return el(
    "div",
    {},
    el(
      "div",
      { class: `span ${kind}`, role: "img", aria: { label } },
      el("span", { class: "fill", vars: { from: `${Math.min(zero, at)}%`, width: `${Math.abs(at - zero)}%` } }),
      known(entry) ? el("span", { class: "zero", vars: { at: `${zero}%` } }) : null,
      el("span", { class: "now moves", vars: { at: `${at}%` } }),
    ),
    el(
      "div",
      { class: "ends" },
      el("span", {}, words("stop")),
      el("span", {}, `${name} ${words("now")} ${sign}`),
      el("span", {}, words("target")),
    ),
  );
}

/** A band from low over median to high, with where the live result is. */
export function bandBar(low, median, high, live) {
  const from = Math.min(low, live, 0);
  const to = Math.max(high, live, 0);
  const [left, right] = [parseFloat(place(low, from, to)), parseFloat(place(high, from, to))];
  const label = `live result ${signed(live)} USDT; the backtest expects ${signed(low)} to ${signed(high)}, in the middle ${signed(median)}`;
  return el(
    "div",
    {},
    el(
      "div",
      { class: "span muted", role: "img", aria: { label } },
      el("span", { class: "fill", vars: { from: `${left}%`, width: `${right - left}%` } }),
      el("span", { class: "zero", vars: { at: place(median, from, to) } }),
      el("span", { class: "now", vars: { at: place(live, from, to) } }),
    ),
    el(
      "div",
      { class: "ends" },
      el("span", {}, `low ${signed(low)}`),
      el("span", {}, `median ${signed(median)}`),
      el("span", {}, `high ${signed(high)}`),
    ),
  );
}
