// What the page has read: each answer with when it came, or why it could not be read. Old answers stay, marked as old.

import { get } from "./api.js";

/** One path of the API: its last answer, and who wants to hear of it. */
export class Resource {
  /** `path` is a text or a function that returns one (null: nothing to read yet); `everyS` is the longest age. */
  constructor(path, everyS) {
    this.path = path;
    this.everyS = everyS;
    this.value = null;
    this.error = null;
    this.readAt = null;
    this.triedAt = null;
    this.doubted = false;
    this.listeners = new Set();
    this.turn = 0;
  }

  onChange(listener) {
    this.listeners.add(listener);
  }

  /** Read again. An answer that a later request overtook is dropped. */
  async refresh() {
    const path = typeof this.path === "function" ? this.path() : this.path;
    if (path === null) return;
    const turn = ++this.turn;
    this.triedAt = Date.now();
    try {
      const value = await get(path);
      if (turn === this.turn) this.keep(value, path);
    } catch (error) {
      if (turn !== this.turn) return;
      if (path !== this.readPath) this.value = null; // the answer to another question is no answer
      this.error = error;
      this.tell();
    }
  }

  /** Take an answer: one that was read, or one that the stream brought. */
  keep(value, path = null) {
    this.turn += path === null ? 1 : 0;
    this.value = value;
    this.readPath = path ?? (typeof this.path === "function" ? this.path() : this.path);
    this.error = null;
    this.doubted = false;
    this.readAt = this.triedAt = Date.now();
    this.tell();
  }

  /** Believe the answer no more: the process was away since. The next one is. */
  doubt() {
    this.doubted = true;
  }

  tell() {
    for (const listener of this.listeners) listener(this);
  }

  isDue() {
    return this.triedAt === null || Date.now() - this.triedAt > this.everyS * 1000;
  }
}

/** What each event of the stream makes worth reading again. */
export const CHANGES = {
  status: ["status"],
  positions: ["positions", "risk"],
  decision: ["status", "decisions", "heatmap", "equity", "pair", "risk", "trust"],
  order: ["orders", "unknown", "positions"],
  trade: ["trades", "calendar", "equity", "positions", "model", "status"],
  event: ["events", "status"],
};

/** Every resource of the page by its name. `choice` holds what the reader has chosen. */
export function makeResources(choice) {
  const pair = (rest) => () => (choice.pair ? rest(encodeURIComponent(choice.pair)) : null);
  const assets = () => choice.pair?.split("__") ?? [];
  return {
    status: new Resource("status", 5),
    positions: new Resource("positions?limit=100", 10),
    decisions: new Resource("decisions?limit=60", 60),
    equity: new Resource(() => `equity?range=${choice.range}`, 60),
    heatmap: new Resource("heatmap", 120),
    unknown: new Resource("orders?state=unknown&limit=20", 15),
    orders: new Resource("orders?limit=60", 60),
    trades: new Resource("trades?limit=500", 300),
    calendar: new Resource(() => `trades/calendar?by=${choice.by}`, 300),
    risk: new Resource("risk", 15),
    model: new Resource("model", 120),
    trust: new Resource("trust", 30),
    events: new Resource("events?limit=100", 30),
    pair: new Resource(
      pair((id) => `pairs/${id}/series?hours=168`),
      120,
    ),
    first: new Resource(
      () => (assets()[0] ? `assets/${encodeURIComponent(assets()[0])}/candles?hours=168` : null),
      300,
    ),
    second: new Resource(
      () => (assets()[1] ? `assets/${encodeURIComponent(assets()[1])}/candles?hours=168` : null),
      300,
    ),
  };
}
