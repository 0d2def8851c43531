// The link to the process: its event stream, read with fetch so that a token can go along, and whether it is alive.
//
// States: connecting, open, gone (nothing heard for too long, or the connection was refused), locked (a token is
// asked for). Silence counts by the clock of the wall and the monotonic one, whichever says more: a laptop that slept
// has heard nothing meanwhile.

import { get, headers } from "./api.js";

const SILENCE_MS = 4200; // two heartbeats of 2 s, and a little
const WATCH_MS = 250;
const RETRY_MS = [300, 700, 1500, 2000];

export class Link {
  /** `onEvent(name, data)` gets every event; `onState(state)` each change of the state. */
  constructor(onEvent, onState) {
    this.onEvent = onEvent;
    this.onState = onState;
    this.state = "connecting";
    this.attempts = 0;
    this.heardAt = null;
    this.lastId = null;
    this.mark = [Date.now(), performance.now()];
  }

  start() {
    setInterval(() => this.watch(), WATCH_MS);
    window.addEventListener("offline", () => this.probe());
    document.addEventListener("visibilitychange", () => this.watch());
    this.run();
  }

  /** Connect again at once: after a token was entered. */
  restart() {
    this.attempts = 0;
    this.control?.abort();
    if (this.state === "locked") this.run();
  }

  /** Seconds since the process was last heard. */
  silence() {
    return Math.max(Date.now() - this.mark[0], performance.now() - this.mark[1], 0) / 1000;
  }

  heard() {
    this.mark = [Date.now(), performance.now()];
    this.heardAt = new Date();
    this.attempts = 0;
    this.become("open");
  }

  become(state) {
    if (state === this.state) return;
    this.state = state;
    this.onState(state);
  }

  watch() {
    if (this.state === "open" && this.silence() * 1000 > SILENCE_MS) {
      this.become("gone");
      this.control?.abort(); // a connection that says nothing is of no use: make a new one
    } else if (this.state === "connecting" && this.silence() * 1000 > SILENCE_MS) {
      this.become("gone");
    }
  }

  async run() {
    for (;;) {
      const refused = await this.listen();
      if (refused === 401) return this.become("locked");
      // Without a stream (as many are open as may be), the status is asked for instead, every two seconds.
      const without = refused === 404 || refused === 429 || refused === 503;
      if (without || this.state === "open") await this.probe();
      const pause = without ? RETRY_MS.at(-1) : RETRY_MS[Math.min(this.attempts, RETRY_MS.length - 1)];
      await new Promise((done) => setTimeout(done, pause));
      this.attempts += 1;
    }
  }

  /** Ask for the status: an answer is a sign of life, and none is the end of the link. */
  async probe() {
    try {
      const status = await get("status");
      this.heard();
      this.onEvent("status", status);
    } catch (error) {
      if (error.status === 401) this.become("locked");
      else if (error.status === 0) this.become("gone");
    }
  }

  /** Read the stream to its end; return the HTTP code of a refusal. */
  async listen() {
    this.control = new AbortController();
    try {
      const resume = this.lastId === null ? {} : { "Last-Event-ID": this.lastId };
      const wanted = headers({ Accept: "text/event-stream", ...resume });
      const answer = await fetch("/api/v1/stream", { headers: wanted, cache: "no-store", signal: this.control.signal });
      if (!answer.ok) return answer.status;
      this.heard();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return null;
        this.heard();
        text = this.take(text + value.replaceAll("\r\n", "\n"));
      }
    } catch {
      return null; // refused, cut or aborted: the loop decides
    }
  }

  /** Hand on every whole event of `text` and return the rest. */
  take(text) {
    const blocks = text.split("\n\n");
    for (const block of blocks.slice(0, -1)) {
      const fields = { event: "message", data: [] };
      for (const line of block.split("\n")) {
        const cut = line.indexOf(":");
        if (cut <= 0) continue;
        const [name, value] = [line.slice(0, cut), line.slice(cut + 1).replace(/^ /, "")];
        if (name === "data") fields.data.push(value);
        else if (name === "event") fields.event = value;
        else if (name === "id") this.lastId = value;
      }
      this.hand(fields);
    }
    return blocks.at(-1);
  }

  hand({ event, data }) {
    if (!data.length) return;
    let body = null;
    try {
      body = JSON.parse(data.join("\n"));
    } catch {
      return; // a broken event is no news; what it was about is read again by its turn
    }
    this.onEvent(event, body);
  }
}
