// Is it well? What it holds and whether that is protected, and why it did not trade, in three sentences.

import { age } from "./ages.js";
import { el, fill, speak } from "./dom.js";
import { dataAge, isOver, whyMarksAreOld } from "./freshness.js";
import { pairName, readable, span } from "./format.js";
import { symbol } from "./figures.js";

const RANK = { critical: 0, warning: 1 };

/** Return what is not well, the worst first: `{level, text}` each. Pure: it reads what it is given. */
export function findings(facts) {
  const { link, silence, freshness, status, positions, unknown, unread = null } = facts;
  const found = [];
  const say = (level, text) => text && found.push({ level, text });
  if (link === "gone")
    say(
      "critical",
      `The process does not answer since ${span(silence)}. Nothing below is current; stops that are on the venue stay there.`,
    );
  if (link === "locked") say("critical", "Reading needs a token: unlock with it.");
  if (unread !== null)
    say("critical", `The state of the process cannot be read: ${unread}. Nothing below is known to be current.`);
  if (!status) return found;
  if (isOver(status))
    say("warning", "The process has stopped: nothing is looked at any more, and what is shown is of its end.");
  if (freshness === "stale")
    say(
      "critical",
      `${howOld(status)}: ${status.data?.reason ?? "no newer bar came"}. Nothing below is current.`.replace(
        ": nothing was decided yet.",
        ".",
      ),
    );
  if (freshness === "none" && status.causes?.data === undefined && status.data.reason !== "nothing was decided yet")
    say("warning", `No decision yet: ${status.data.reason}`);
  const reachable = status.venue_link?.reachable;
  if (reachable === false) say("critical", "The venue does not answer: marks and stops are those of the last look.");
  if (status.trading === "halted")
    say("critical", `Halted until a person resumes: ${status.trading_reason || "no reason given"}`);
  if (status.trading === "guarding")
    say("warning", `Guarding, no new entries: ${status.trading_reason || "no reason given"}`);
  const said = new Set([status.trading_reason, status.data?.reason]);
  for (const [name, reason] of Object.entries(status.causes ?? {})) {
    // The state's reason is mostly that of its first cause, with the cause's name before it.
    if (!said.has(reason) && !said.has(`${name}: ${reason}`)) say("warning", `${name}: ${reason}`);
    said.add(reason);
    said.add(status.trading_reason?.replace(`${name}: `, ""));
  }
  const { positionsUnread, unknownUnread } = facts;
  if (link === "open" && positionsUnread) say("critical", `What is held cannot be read: ${positionsUnread}`);
  if (link === "open" && unknownUnread)
    say("warning", `Whether an order's outcome is unknown cannot be read: ${unknownUnread}`);
  for (const { level, text } of protection(positions)) say(level, text);
  if (unknown?.length)
    say(
      "critical",
      `The outcome of ${unknown.length} order${unknown.length > 1 ? "s" : ""} is unknown: ${unknown.map((order) => `${order.side} ${order.contracts} ${order.instrument}`).join(", ")}`,
    );
  // With play money a model may trade that the gate refused; with real money it must not.
  if (status.model?.gate === "failed")
    say(
      status.mode === "live" ? "critical" : "warning",
      `Model version ${status.model.version} failed its gate: ${status.model.gate_reason}`,
    );
  for (const text of together((status.problems ?? []).filter((problem) => !said.has(problem)))) say("warning", text);
  for (const [name, reason] of Object.entries(status.blocked ?? {}))
    say("warning", `Nothing is opened in ${name}: ${reason}${heldIn(name, positions)}`);
  return found.sort((left, right) => RANK[left.level] - RANK[right.level]);
}

/** Return the problems with those that are of several assets and the same otherwise in one: an outage names each asset. */
export function together(problems) {
  const names = new Map();
  for (const problem of problems) {
    const [, name, rest] = /^([A-Z0-9]+): (.*)$/s.exec(problem) ?? [null, "", problem];
    names.set(rest, [...(names.get(rest) ?? []), name].filter(Boolean));
  }
  return [...names].map(([rest, assets]) => (assets.length ? `${assets.join(", ")}: ${rest}` : rest));
}

/** What is held in a contract that is not opened now: its stop may not be able to do anything either. */
function heldIn(instrument, positions) {
  const held = (positions ?? []).filter((position) => position.legs?.some((leg) => leg.instrument === instrument));
  return held.length ? `. It is held: ${held.map(nameOf).join(", ")}` : "";
}

const nameOf = (position) => (position.pair ? pairName(position.pair) : position.position_id);

/** Legs without a stop and legs whose stop is not confirmed, each kind in one sentence: there may be many. */
function protection(positions) {
  const missing = [];
  const unconfirmed = [];
  for (const position of positions ?? []) {
    for (const leg of position.legs ?? []) {
      const kind = leg.stop?.state;
      const name = `${leg.instrument} of ${nameOf(position)}`;
      if (kind === "missing" || !leg.stop) missing.push(name);
      else if (kind === "unconfirmed") unconfirmed.push(name);
    }
  }
  return [
    { level: "critical", text: missing.length ? `No stop on the venue: ${missing.join("; ")}` : "" },
    {
      level: "warning",
      text: unconfirmed.length ? `The stop is not confirmed by the venue: ${unconfirmed.join("; ")}` : "",
    },
  ];
}

/** Return the oldest confirmation of the stops of all legs; null where one is not confirmed or nothing is held. */
function oldestConfirmation(positions) {
  const times = positions.flatMap((position) =>
    position.legs.map((leg) => (leg.stop?.state === "confirmed" ? leg.stop.confirmed_at : null)),
  );
  return times.length && times.every(Boolean) ? times.sort()[0] : null;
}

/** How old the data is in words; a process that never decided has none, and a new bar may be of no use. */
export function howOld(status) {
  const seconds = dataAge(status);
  if (seconds === null) return "Nothing was decided since the start";
  return seconds > (status.data?.stale_after_s ?? 0) ? `The data is ${span(seconds)} old` : "The data cannot be used";
}

let spoken = "";

/** Draw the three sentences and what is not well; `acts` are the buttons of the person. */
export function drawVerdict(node, facts, acts) {
  const found = findings(facts);
  const { status, positions } = facts;
  const level = found[0]?.level ?? (status ? "well" : "unknown");
  node.dataset.level = facts.freshness === "starting" ? "unknown" : level;
  const answers = el("p", { class: "answers" }, isWell(facts, found), holding(positions, facts), why(status), waiting(status));
  const list = found.length
    ? el(
        "ul",
        { class: "findings" },
        found.map((item) => el("li", {}, symbol(item.level === "critical" ? "bad" : "warn"), " ", item.text)),
      )
    : null;
  fill(node, el("div", {}, answers, list), acts);
  const text = found
    .filter((item) => item.level === "critical")
    .map((item) => item.text.replace(/since .*?\./, ""))
    .join(" ");
  if (text !== spoken) speak((spoken = text) || "All is well again.");
}

/** Alerts stay until a person has seen them: what is over again was not well all the same. */
function waiting(status) {
  const count = status?.counts?.unacknowledged;
  if (!count) return null;
  const words = count === 1 ? "1 event waits for acknowledgement" : `${count} events wait for acknowledgement`;
  return el("span", {}, symbol("warn"), " ", el("a", { href: "#events" }, words));
}

function isWell({ link, freshness, status }, found) {
  if (link === "connecting" && !status) return el("span", {}, "Connecting to the process");
  if (freshness === "starting" && !found.length)
    return el("span", {}, symbol("note"), " ", el("b", {}, "Starting: "), status.data?.reason ?? "loading model");
  if (!found.length) return el("span", {}, symbol("good"), " ", el("b", {}, "Well."));
  const grave = found.filter((item) => item.level === "critical").length;
  const rest = found.length - grave;
  const words = [grave ? `${grave} critical` : "", rest ? `${rest} to look at` : ""].filter(Boolean).join(", ");
  return el("span", {}, symbol(grave ? "bad" : "warn"), " ", el("b", {}, `Not well: ${words}.`));
}

function holding(positions, { status, link, freshness, unread, positionsOld }) {
  if (!positions) return null;
  const was = link === "gone" || freshness === "stale" || unread !== null || positionsOld || whyMarksAreOld(status) ? "When last seen: " : "";
  if (!positions.length) return el("span", {}, was, el("b", {}, "Holds nothing."));
  const legs = positions.reduce((sum, position) => sum + position.legs.length, 0);
  const count = `${was}${was ? "held" : "Holds"} ${positions.length} position${positions.length > 1 ? "s" : ""}; `;
  const at = oldestConfirmation(positions);
  if (at)
    return el(
      "span",
      {},
      el("b", {}, count),
      legs === 1 ? "its stop is confirmed on the venue " : `all ${legs} stops confirmed on the venue `,
      age(at),
    );
  return el("span", {}, el("b", {}, count), symbol("bad"), " not every stop is confirmed");
}

function why(status) {
  const decision = status?.decision;
  if (!decision?.last_at) return status && status.state !== "starting" ? el("span", {}, "No decision yet.") : null;
  return el("span", {}, el("b", {}, `Last decision: ${decision.action ?? "none"}. `), readable(decision.reason ?? ""));
}
