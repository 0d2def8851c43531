// May what the page shows be taken as current? One answer for the whole page, one for each panel.

import { secondsSince } from "./ages.js";

const GRACE = 3; // a panel that was not read for this many of its turns is old

/**
 * Return how far the data can be trusted: `unknown` before anything was read, `starting` while the process loads,
 * `stale` where the process says so or the age has grown past its limit since, else `fresh`.
 */
export function dataFreshness(status) {
  if (!status) return "unknown";
  if (status.state === "starting") return "starting";
  const { fresh, stale_after_s: limit } = status.data ?? {};
  const seconds = dataAge(status);
  if (fresh === false) return "stale";
  if (typeof limit === "number" && seconds !== null && seconds > limit) return "stale";
  return fresh === true ? "fresh" : "unknown";
}

/** Age of the data in seconds as of now: what the process said, and the time since. */
export function dataAge(status) {
  const since = secondsSince(status?.data?.event_timestamp);
  const said = status?.data?.age_s;
  if (typeof said !== "number") return since;
  const grown = said + Math.max(0, secondsSince(status.now) ?? 0);
  return since === null ? grown : Math.max(since, grown);
}

/** Return whether a panel's answer is old: its last reading failed, or none came for several turns. */
export function isOld(resource) {
  if (resource.value === null) return false;
  return resource.error !== null || Date.now() - resource.readAt > resource.everyS * GRACE * 1000 + 8000;
}
