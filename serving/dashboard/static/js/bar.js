// The bar that is always visible: mode, venue, clocks, state, decision, data, model, venue link, equity, today.

import { age, until } from "./ages.js";
import { el, fill } from "./dom.js";
import { isOver, whyMarksAreOld } from "./freshness.js";
import { known, number, percent, share, UNKNOWN } from "./format.js";
import { result, state, symbol } from "./figures.js";
import { readToken } from "./token.js";
import { chosenTheme } from "./theme.js";
import { howOld } from "./verdict.js";

const SIGNS = {
  "trying again": "warn",
  starting: "note",
  waiting: "good",
  deciding: "good",
  trading: "good",
  guarding: "warn",
  halted: "bad",
  stopped: "note",
};

/** Return the one word for where the process stands. */
export function wordOf({ status, link, freshness, unread }) {
  if (link === "gone") return "process gone";
  if (link === "locked") return "locked";
  if (!status) return "connecting";
  if (unread !== null) return "not known";
  if (freshness === "starting") return "starting";
  if (freshness === "stale") return "stale";
  return status.trading === "trading" ? firstWord(status.state) : status.trading;
}

/** The process says in a sentence what it does; the bar has room for its first word, or the two that belong together. */
const firstWord = (sentence) => /^(trying again|\S+)/.exec(sentence ?? "")?.[0] ?? "not known";

/** Draw the bar. `alive` is false while the process says nothing: then no figure is shown as if it were current. */
export function drawBar(node, standing, { onTheme, onToken, onHelp }) {
  const { status } = standing;
  const mode = el(
    "div",
    { class: "mode" },
    el("strong", { class: "badge" }, (status?.mode ?? "pairity").toUpperCase()),
    el("small", { title: status?.venue ?? "" }, status ? marketOf(status) : "trading process"),
  );
  const cells = status
    ? cellsOf(standing)
    : [["State", state("unknown", wordOf(standing)), ""]];
  const list = el(
    "dl",
    {},
    cells.map(([term, value, small]) =>
      el("div", {}, el("dt", {}, term), el("dd", {}, value, small !== null && el("small", {}, small))),
    ),
  );
  const locked = readToken() ? "Lock" : "Unlock";
  const switches = el(
    "div",
    { class: "switches" },
    button("theme", `Colours: ${chosenTheme()}`, "◐", onTheme),
    button("token", `${locked}: the token of this tab`, locked, onToken),
    button("help", "Keys and help", "?", onHelp),
  );
  fill(node, mode, list, switches, alarmOf(standing));
}

/** Where it trades. What a paper exchange answers was never money: that is said beside its address. */
function marketOf({ market, venue, synthetic }) {
  const name = String(market ?? venue).replace(/^https?:\/\//, "");
  return synthetic && !name.includes("synthetic") ? `synthetic, ${name}` : name;
}

/** What makes everything below old, in words that stay in sight however far the reader has scrolled. */
function alarmOf({ status, link, freshness, unread }) {
  if (link === "gone")
    return el("p", { class: "alarm" }, symbol("bad"), " The process does not answer. Nothing below is current.");
  if (unread !== null)
    return el("p", { class: "alarm" }, symbol("warn"), " The state of the process cannot be read.");
  if (link === "open" && freshness === "stale")
    return el(
      "p",
      { class: "alarm" },
      symbol("warn"),
      ` ${howOld(status)}. Nothing below is current.`,
    );
  return null;
}

function button(key, label, text, onClick) {
  return el(
    "button",
    {
      type: "button",
      class: "plain",
      title: label,
      aria: { label },
      data: { key: `bar-${key}` },
      on: { click: onClick },
    },
    text,
  );
}

function cellsOf({ status, link, freshness, alive, unread }) {
  const { decision = {}, account = {}, model = {}, venue_link: venue = {} } = status;
  const word = wordOf({ status, link, freshness, unread });
  const sign = unread !== null ? "unknown" : !alive ? "bad" : freshness === "stale" ? "warn" : (SIGNS[word] ?? "unknown");
  const old = alive && freshness !== "stale" && !whyMarksAreOld(status) ? null : "old: ";
  const gate = { passed: "good", failed: "bad" }[model.gate] ?? "unknown";
  return [
    [
      "State",
      el("span", { title: `${status.state}: ${status.trading_reason || status.trading}` }, state(sign, word)),
      el(
        "span",
        {},
        status.trading_since && alive ? age(status.trading_since, "for ", "") : alive ? "" : "not current",
      ),
    ],
    [
      "Next decision",
      alive && decision.next_at && !isOver(status) ? until(decision.next_at, "in ") : UNKNOWN,
      decision.last_at ? age(decision.last_at, "last ") : "none yet",
    ],
    [
      "Data",
      status.data?.event_timestamp ? age(status.data.event_timestamp, "", " old") : UNKNOWN,
      isOver(status) ? "not current" : dataWord(freshness, alive),
    ],
    [
      "Model",
      el("span", {}, symbol(gate), ` ${model.version ? `v${model.version}` : UNKNOWN}`),
      el("span", { title: `${model.name ?? ""}: ${model.gate_reason ?? ""}` }, `gate ${model.gate ?? "unknown"}`),
    ],
    [
      "Venue",
      alive && !isOver(status) ? venueState(venue) : state("unknown", "not known"),
      venue.watched_at ? age(venue.watched_at, "seen ") : "never seen",
    ],
    [
      "Equity USDT",
      money(account.equity_usdt, old),
      // Measured every few minutes, not with every look: so it says when.
      el("span", { title: offPeak(account) }, account.as_of ? age(account.as_of) : "not measured"),
    ],
    [
      "Today USDT",
      old ? state("unknown", "old") : result(account.today_usdt),
      known(account.today_fraction) ? `${old ?? ""}${percent(account.today_fraction)}` : "USDT",
    ],
    ["Open result", old ? state("unknown", "old") : result(account.open_result_usdt), "unrealised"],
    ["UTC", el("span", { data: { clock: "utc" } }), el("span", { data: { clock: "local" } })],
  ];
}

const offPeak = ({ drawdown_fraction: fall }) =>
  known(fall) ? `${share(Math.abs(fall), 2)} below its peak` : "its peak is not known";

function money(value, old) {
  return el("span", { class: old ? "muted" : null }, old, number(value));
}

function dataWord(freshness, alive) {
  if (!alive) return "not current";
  return { fresh: "✓ fresh", stale: "✕ stale", none: "none decided on yet", starting: "loading", unknown: "not known" }[freshness];
}

function venueState(venue) {
  if (venue.reachable === true) return state("good", "reachable");
  return venue.reachable === false ? state("bad", "unreachable") : state("unknown", "not known");
}
