// Open positions: pairs with their legs, result, way to the target and protection; books with weight, target, drift.

import { age, until } from "../ages.js";
import { whyLink } from "../copy.js";
import { el, fill } from "../dom.js";
import { amount, asset, exact, known, number, pairName, price, share, signed } from "../format.js";
import { result, spanBar, state } from "../figures.js";
import { empty, Panel } from "../panel.js";
import { plainTable } from "../table.js";

const STOPS = {
  confirmed: (stop) => state("good", "confirmed ", stop.confirmed_at ? age(stop.confirmed_at) : ""),
  unconfirmed: (stop) =>
    state("warn", "not confirmed", stop.confirmed_at ? el("span", {}, ", seen ", age(stop.confirmed_at)) : ""),
  missing: () => state("bad", "missing"),
};

export function positionsPanel(resources, { onClose, onChart }) {
  const panel = new Panel("positions", "Open positions", [resources.positions]);
  const draw = () => {
    const items = resources.positions.value?.items;
    if (!items) return;
    if (!items.length) return fill(panel.body, empty("No open position."));
    fill(
      panel.body,
      items.map((position) => card(position, { onClose, onChart })),
    );
  };
  resources.positions.onChange(draw);
  return panel;
}

function card(position, { onClose, onChart }) {
  const { result: split = {} } = position;
  const id = position.position_id;
  const chart =
    position.kind !== "book" &&
    position.pair &&
    el(
      "button",
      { type: "button", data: { key: `chart-${id}` }, on: { click: () => onChart(position.pair) } },
      "Chart",
    );
  const close = el(
    "button",
    {
      type: "button",
      class: "grave",
      data: { key: `close-${id}`, act: "close" },
      on: { click: () => onClose(position) },
    },
    "Close",
  );
  return el(
    "article",
    { class: "card", aria: { label: titleOf(position) } },
    el(
      "div",
      { class: "head" },
      el("h3", { class: "name flat" }, titleOf(position)),
      position.kind === "book" && position.legs.length === 1
        ? el("span", { class: "muted" }, "of the book")
        : position.legs.length === 1 && position.pair
        ? el("span", { class: "muted" }, `of ${pairName(position.pair)}`)
        : null,
      position.margin_mode === "isolated" ? el("span", { class: "muted" }, "isolated margin") : null,
      el("span", { class: "muted" }, known(position.hedge_ratio) ? `hedge ${number(position.hedge_ratio)}` : ""),
      el("span", { class: "total" }, result(split.total_usdt, 2, "USDT")),
    ),
    el(
      "p",
      { class: "split" },
      part("price", split.price_usdt),
      known(split.realised_usdt) ? part("realised", split.realised_usdt) : null,
      part("fees", split.fees_usdt),
      part("funding", split.funding_usdt),
      zScores(position),
    ),
    position.kind === "book" ? null : el("div", { class: "ways" }, position.legs.map(wayOf)),
    el(
      "div",
      { class: "legs", tabindex: "0", role: "group", aria: { label: `legs of ${id}` }, data: { key: `legs-${id}` } },
      position.kind === "book" ? bookTable(position) : legTable(position),
    ),
    el(
      "p",
      { class: "foot" },
      el(
        "span",
        { class: "muted" },
        "held ",
        position.opened_at ? age(position.opened_at, "", "") : "–",
        position.horizon_at ? el("span", {}, position.kind === "book" ? ", next decision " : ", horizon ", until(position.horizon_at, "in ")) : "",
      ),
      marked(position.legs),
      known(position.probability_entry)
        ? el("span", { class: "muted" }, `probability at entry ${number(position.probability_entry, 3)}`)
        : null,
      el("span", { class: "acts" }, (position.entry_order_ids ?? []).slice(0, 1).map((order) => whyLink(order)), chart, close),
    ),
  );
}

function titleOf(position) {
  if (position.kind === "book" && position.legs.length > 1) return `Book of ${position.legs.length} legs`;
  return (
    position.legs.map((leg) => `${sideOf(leg)} ${leg.asset} ${leg.coins ? amount(leg.coins) : ""}`.trim()).join(" / ") ||
    pairName(position.pair)
  );
}

/** The side of a leg as a person says it: what was bought is long. */
export const sideOf = (leg) => ({ buy: "long", sell: "short" })[leg.side] ?? leg.side;

/** The way of one leg from its stop to its target: each leg has stops of its own, and one may gain what another loses. */
const wayOf = (leg) =>
  spanBar({
    stop: leg.stop?.price,
    now: leg.mark_price,
    target: leg.target?.price,
    entry: leg.entry_price,
    name: leg.asset,
  });

/** How old the marks are: the oldest of the legs. */
function marked(legs) {
  const times = legs
    .map((leg) => leg.marked_at)
    .filter(Boolean)
    .sort();
  return times.length ? el("span", { class: "muted" }, "marked ", age(times[0])) : null;
}

const part = (name, value) => el("span", {}, el("span", { class: "muted" }, `${name} `), signed(value));

function zScores(position) {
  if (!known(position.z_entry) && !known(position.z_now)) return null;
  return el(
    "span",
    {},
    el("span", { class: "muted" }, "z "),
    `${signed(position.z_entry)} → ${signed(position.z_now)}`,
  );
}

const stopOf = (leg) => (STOPS[leg.stop?.state] ?? STOPS.missing)(leg.stop ?? {});

function legTable(position) {
  // In cross margin the account stands for all legs: what it has is in the panel of risk.
  const isolated = position.margin_mode === "isolated";
  const rows = position.legs.map((leg) => [
    `${sideOf(leg)} ${leg.asset}`,
    stopOf(leg),
    result(leg.result_usdt),
    price(leg.entry_price),
    price(leg.mark_price),
    price(leg.stop?.price),
    price(leg.target?.price),
    exact(leg.contracts),
    ...(isolated ? [price(leg.margin_usdt), number(leg.margin_ratio), price(leg.liquidation_price)] : []),
  ]);
  // The protection stands beside the leg: on a phone it must not be out of sight.
  return plainTable(
    "Legs",
    [
      ...["leg", "stop on the venue", "result", "entry", "mark", "stop", "target", "contracts"],
      ...(isolated ? ["margin USDT", "margin ratio", "liquidated at"] : []),
    ],
    rows,
    [0, 1],
  );
}

function bookTable(position) {
  const largest = Math.max(...position.legs.map((leg) => Math.abs(leg.drift ?? 0)));
  const rows = position.legs.map((leg) => [
    `${sideOf(leg)} ${asset(leg.instrument)}`,
    stopOf(leg),
    weight(leg.weight),
    weight(leg.target_weight),
    el("span", { class: largest > 0 && Math.abs(leg.drift) === largest ? "strong" : null }, weight(leg.drift)),
    price(leg.mark_price),
    result(leg.result_usdt),
  ]);
  return plainTable(
    "Legs of the book",
    ["leg", "stop on the venue", "weight", "target", "drift", "mark", "result"],
    rows,
    [0, 1],
  );
}

const weight = (value) => (known(value) ? `${value > 0 ? "+" : ""}${share(value, 2)}` : "–");
