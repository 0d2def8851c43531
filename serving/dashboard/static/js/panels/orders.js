// Orders and fills: intended → sent → acknowledged → filled as a line of time, slippage, ids to copy.

import { copyable, whyLink } from "../copy.js";
import { el, fill } from "../dom.js";
import { asset, clock, exact, instant, known, price, signed, stamp } from "../format.js";
import { state } from "../figures.js";
import { empty, Panel } from "../panel.js";
import { moreButton, Pages } from "../pages.js";

const SIGNS = {
  filled: "good",
  unknown: "bad",
  rejected: "bad",
  cancelled: "note",
  sent: "warn",
  intended: "note",
  acknowledged: "note",
};
const GRAVE = new Set(["unknown", "rejected"]);

export function ordersPanel(resources) {
  const open = new Set();
  const only = el(
    "select",
    { aria: { label: "Which orders" }, on: { change: () => draw() } },
    el("option", { value: "" }, "all orders"),
    el("option", { value: "grave" }, "unknown or rejected"),
    el("option", { value: "entry" }, "entries"),
    el("option", { value: "exit" }, "exits"),
    el("option", { value: "protect" }, "protective"),
  );
  const search = el("input", {
    type: "search",
    placeholder: "Filter instrument or id",
    aria: { label: "Filter instrument or id" },
    on: { input: () => draw() },
  });
  const panel = new Panel("orders", "Orders and fills", [resources.orders], { flush: true, tools: [only, search] });
  const pages = new Pages(resources.orders, "client_order_id", () => draw());

  function draw() {
    const items = pages.items();
    if (!items) return;
    if (!items.length) return fill(panel.body, empty("No order was sent yet."));
    const rows = items.filter(matches);
    const body = rows.flatMap((order) => [line(order), open.has(order.client_order_id) ? details(order) : null]);
    fill(
      panel.body,
      rows.length
        ? el(
            "table",
            {},
            el("caption", { class: "hidden" }, "Orders, newest first"),
            el(
              "thead",
              {},
              el(
                "tr",
                {},
                ["time", "order", "state", "filled", "average", "slip bps", "sent → acknowledged → end"].map(
                  (name, index) =>
                    el("th", { scope: "col", class: [0, 1, 2, 6].includes(index) ? "text" : null }, name),
                ),
              ),
            ),
            el("tbody", {}, body),
          )
        : empty("No order matches."),
      moreButton(pages),
    );
  }

  const matches = (order) => {
    const wanted = only.value;
    if (wanted === "grave" && !GRAVE.has(order.state)) return false;
    if (wanted && wanted !== "grave" && order.purpose !== wanted) return false;
    return `${order.instrument} ${order.client_order_id} ${order.order_id ?? ""} ${order.position_id}`
      .toLowerCase()
      .includes(search.value.toLowerCase());
  };

  function line(order) {
    const id = order.client_order_id;
    const shown = open.has(id);
    const toggle = el(
      "button",
      {
        type: "button",
        class: "plain",
        aria: { expanded: String(shown) },
        data: { key: `order-${id}` },
        on: {
          click: () => {
            if (shown) open.delete(id);
            else open.add(id);
            draw();
          },
        },
      },
      `${shown ? "▾" : "▸"} ${order.side} ${asset(order.instrument)} `,
      el("span", { class: "muted" }, `${order.purpose}${order.attempt > 1 ? ` #${order.attempt}` : ""}`),
    );
    return el(
      "tr",
      {},
      el("td", { class: "text" }, stamp(order.events?.[0]?.at)),
      el("td", { class: "text" }, toggle, whyLink(id)),
      el("td", { class: "text" }, state(SIGNS[order.state] ?? "note", words(order.state))),
      el("td", {}, `${exact(order.filled_contracts)} / ${exact(order.contracts)}`),
      el("td", {}, price(order.average_price)),
      el("td", {}, known(order.slippage_bps) ? signed(order.slippage_bps, 1) : "–"),
      el("td", { class: "text" }, timeLine(order.events ?? [])),
    );
  }

  resources.orders.onChange(draw);
  return panel;
}

const words = (name) => String(name ?? "–").replaceAll("_", " ");

/** The steps of an order as dots with the time between them; in words for screen readers and on hovering. */
function timeLine(events) {
  const gaps = events.map((event, index) =>
    index ? duration(instant(event.at) - instant(events[index - 1].at)) : clock(event.at),
  );
  const said = events
    .map((event, index) => `${words(event.state)} ${index ? "after " : "at "}${gaps[index]}`)
    .join(", ");
  const steps = events.map((event, index) =>
    el("span", { class: "step" }, index ? el("span", { class: "gap" }, gaps[index]) : null, dot(event.state)),
  );
  return el("span", { class: "line", role: "img", title: said, aria: { label: said } }, steps);
}

function dot(name) {
  const [sign, kind] = {
    rejected: ["✕", "down"],
    unknown: ["?", "down"],
    cancelled: ["○", "muted"],
    filled: ["●", "up"],
  }[name] ?? ["●", "muted"];
  return el("span", { class: kind }, sign);
}

const duration = (ms) =>
  ms < 1000 ? `${Math.round(ms)} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60000)} min`;

function details(order) {
  const fact = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));
  const fills = order.fills ?? [];
  const answers = (order.events ?? []).filter((event) => event.answer);
  return el(
    "tr",
    {},
    el(
      "td",
      { colspan: "7", class: "text long" },
      el(
        "dl",
        { class: "facts" },
        fact("client order id", copyable(order.client_order_id)),
        fact("venue's order id", copyable(order.order_id)),
        fact("position", copyable(order.position_id)),
        fact("decision", copyable(order.decision_id)),
        fact("type", `${order.order_type}${order.reduce_only ? ", reduce only" : ""}`),
        fact("leg", String(order.leg)),
        fact("stop / target", `${price(order.stop_price)} / ${price(order.target_price)}`),
        fact("expected price", price(order.expected_price)),
      ),
      answers.map((event) =>
        el(
          "p",
          { class: "wrap" },
          el("span", { class: "muted" }, `${clock(event.at)} ${words(event.state)}: `),
          event.answer,
        ),
      ),
      fills.length
        ? el(
            "ul",
            {},
            fills.map((item) =>
              el(
                "li",
                {},
                `${clock(item.at)}: ${exact(item.contracts)} at ${price(item.price)}, fee ${exact(item.fee_usdt)} USDT, trade `,
                copyable(item.trade_id),
              ),
            ),
          )
        : el("p", { class: "muted" }, "No fill."),
    ),
  );
}
