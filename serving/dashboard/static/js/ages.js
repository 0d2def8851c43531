// Ages and countdowns on the page, in the time of the process: one tick a second moves them all.

import { el } from "./dom.js";
import { clock, instant, localClock, setPresent, span, UNKNOWN } from "./format.js";

let offsetMs = 0;

/** Set the time of the process, as an answer that just came says it. */
export function setServerTime(iso) {
  const at = instant(iso);
  if (at) offsetMs = at.getTime() - Date.now();
}

export const serverNow = () => new Date(Date.now() + offsetMs);

setPresent(() => serverNow().getTime());

/** Seconds since an instant, in the time of the process; null without one. */
export function secondsSince(iso) {
  const at = instant(iso);
  return at ? (serverNow() - at) / 1000 : null;
}

/** Return an element that shows how long ago an instant is, and stays right. */
export const age = (iso, before = "", after = " ago") => timed("since", iso, before, after);

/** Return an element that shows how long it is until an instant, and stays right. */
export const until = (iso, before = "", after = "") => timed("until", iso, before, after);

function timed(kind, iso, before, after) {
  const node = el("time", { datetime: iso, data: { [kind]: iso ?? "", before, after } });
  write(node);
  return node;
}

function write(node) {
  const { since, until: end, before, after } = node.dataset;
  const seconds = secondsSince(since || end || null);
  let text = UNKNOWN;
  if (seconds !== null && since) text = before + span(seconds) + after;
  if (seconds !== null && end) text = seconds > 0 ? `due ${span(seconds)} ago` : before + span(-seconds) + after;
  if (node.textContent !== text) node.textContent = text;
}

/** Move every age, countdown and clock. While the process is gone, countdowns stop: nobody is known to decide. */
export function tick(alive) {
  for (const node of document.querySelectorAll("time[data-since]")) write(node);
  if (alive) for (const node of document.querySelectorAll("time[data-until]")) write(node);
  const now = serverNow();
  for (const node of document.querySelectorAll("[data-clock]")) {
    node.textContent = node.dataset.clock === "utc" ? clock(now) : `${localClock(now)} local`;
  }
}
