// May what the page shows be taken as current? One answer for the whole page, one for each panel.

import { secondsSince } from "./ages.js";

const GRACE = 3; // a panel that was not read for this many of its turns is old

/**
 * Return how far the data can be trusted: `unknown` before anything was read, `starting` while the process loads,
 * `none` before its first decision (there is no old figure that could be taken for a current one), `stale` where the process says so or the age has grown past its limit since, else `fresh`.
 */
export function dataFreshness(status) {
  if (!status) return "unknown";
  if (status.state === "starting") return "starting";
  const { fresh, stale_after_s: limit } = status.data ?? {};
  const up = secondsSince(status.started_at);
  if (fresh === false && !status.data.event_timestamp && up !== null && up <= limit) return "none";
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

/** Return whether an answer is old: its last reading failed, none came for several turns, or the process was away. */
export function isOld(resource) {
  if (resource.value === null) return false;
  return resource.doubted || resource.error !== null || Date.now() - resource.readAt > resource.everyS * GRACE * 1000 + 8000;
}

const PATIENCE_MS = 10000; // one failed reading of the state is no news; two are

/** Return whether the state of the process is old, though the link to it lives. */
export function isStateOld(resource) {
  if (resource.error !== null && !resource.doubted && Date.now() - resource.readAt < PATIENCE_MS) return false;
  return isOld(resource);
}

/** Return why an answer that the verdict rests on cannot be had; null where it can. */
export function whyUnread(resource) {
  return resource.error !== null && (resource.value === null || isStateOld(resource)) ? resource.error.message : null;
}

/** Return whether the process looks at nothing any more: a demo whose page stays open. */
export const isOver = (status) => status?.state === "stopped";

/** Return why nothing can be asked of the process; an empty text where it can. */
export const whyNobodyActs = (status) =>
  isOver(status) ? "The process has stopped: nothing can be asked of it, because nobody would carry it out." : "";

/** Return why marks, equity and results are those of an earlier look; an empty text where they are not. */
export function whyMarksAreOld(status) {
  if (isOver(status)) return "the process has stopped";
  return status?.venue_link?.reachable === false ? "the venue does not answer" : "";
}
