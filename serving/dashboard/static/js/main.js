// The page: reads, listens, and draws what can be trusted, with its age.

import { markActs, setWhyNotAsk } from "./acting.js";
import { setServerTime, tick } from "./ages.js";
import { actionButtons, askFor, askForToken } from "./actions.js";
import { drawBar, wordOf } from "./bar.js";
import { el, fill } from "./dom.js";
import { dataFreshness, isOld, isStateOld, whyMarksAreOld, whyNobodyActs, whyUnread } from "./freshness.js";
import { jumpTo, openHelp, startKeys } from "./keys.js";
import { Link } from "./link.js";
import { CHANGES, makeResources } from "./resources.js";
import { showInTab } from "./tab.js";
import { onTheme, startTheme, switchTheme } from "./theme.js";
import { keepToken, onToken, readToken } from "./token.js";
import { drawVerdict } from "./verdict.js";
import { equityPanel } from "./panels/equity.js";
import { eventsPanel } from "./panels/events.js";
import { heatPanel } from "./panels/heat.js";
import { modelPanel } from "./panels/model.js";
import { ordersPanel } from "./panels/orders.js";
import { pairPanel } from "./panels/pair.js";
import { positionsPanel, sideOf } from "./panels/positions.js";
import { riskPanel } from "./panels/risk.js";
import { tradesPanel } from "./panels/trades.js";
import { trustPanel } from "./panels/trust.js";
import { whyPanel } from "./panels/why.js";

const TICK_MS = 500;
const SETTLED_MS = 9000;
const settling = new Map();
const OF_THE_VENUE = new Set(["positions", "risk"]);
const choice = { range: "7d", by: "day", pair: null, pairBy: "page", decision: null };
const resources = makeResources(choice);
const place = (id) => document.getElementById(id);

startTheme();
const link = new Link(onEvent, onLink);
const panels = makePanels();
fill(
  place("grid"),
  panels.map((panel) => panel.node),
);
fill(
  place("jump"),
  panels.map((panel) => {
    const anchor = el("a", { href: `#${panel.node.id}` }, panel.node.querySelector("h2").textContent);
    anchor.addEventListener("click", (event) => {
      event.preventDefault();
      jumpTo(panel);
    });
    return anchor;
  }),
);

const COMMANDS = {
  t: [
    "colours: system, dark, light",
    () => {
      switchTheme();
      draw();
    },
  ],
  u: ["unlock or lock this tab", switchToken],
  "/": ["filter pairs or reasons", () => place("why-filter").focus()],
  "?": ["this help", () => openHelp(panels, COMMANDS)],
};

startKeys(panels, COMMANDS);
onTheme(draw);
onToken(() => {
  link.restart();
  draw();
});
for (const name of ["status", "positions", "unknown"]) resources[name].onChange(draw);
for (const name of ["positions", "events"]) resources[name].onChange(markActs); // after the panel has drawn its buttons
new ResizeObserver(() =>
  document.documentElement.style.setProperty("--bar-height", `${place("bar").offsetHeight}px`),
).observe(place("bar"));
link.start();
resources.status.refresh();
resources.positions.refresh();
resources.unknown.refresh();
draw();
setInterval(everyTick, TICK_MS);
document.addEventListener("visibilitychange", everyTick);

function makePanels() {
  const closing = (position) =>
    askFor(
      "close",
      {
        position_id: position.position_id,
        about: position.legs.map((leg) => `${sideOf(leg)} ${leg.asset}`).join(" / "),
      },
      () => readAgain("positions"),
    );
  const acknowledging = (event) =>
    askFor("acknowledge", { event_id: event.event_id, about: event.text }, () => readAgain("event"));
  const pair = pairPanel(resources, choice);
  const onChart = (id) => {
    pair.choose(id);
    jumpTo(pair);
  };
  return [
    positionsPanel(resources, { onClose: closing, onChart }),
    whyPanel(resources, choice),
    equityPanel(resources, choice),
    pair,
    heatPanel(resources, { onChart }),
    ordersPanel(resources),
    tradesPanel(resources, choice),
    riskPanel(resources),
    modelPanel(resources),
    trustPanel(resources),
    eventsPanel(resources, {
      onAcknowledge: acknowledging,
      onAcknowledgeAll: () => askFor("acknowledge-all", {}, () => readAgain("event")),
    }),
  ];
}

function onEvent(name, data) {
  if (data?.now) setServerTime(data.now);
  if (name === "status" && data?.trading) {
    resources.status.keep(data);
    return;
  }
  if (name === "positions" && Array.isArray(data?.items)) {
    resources.positions.keep(data);
    resources.risk.refresh();
    return;
  }
  readAgain(name);
}

function readAgain(name) {
  const changed = (CHANGES[name] ?? []).map((known) => resources[known]);
  for (const resource of changed) resource.refresh();
  // While a decision is made the process gives the answers that it has: ask once more when it is over.
  clearTimeout(settling.get(name));
  settling.set(
    name,
    setTimeout(() => changed.forEach((resource) => resource.refresh()), SETTLED_MS),
  );
}

function onLink(state) {
  // What was read before the process was away says nothing of now, until it is read again.
  if (state === "gone") for (const resource of Object.values(resources)) resource.doubt();
  if (state === "open") for (const resource of Object.values(resources)) resource.refresh();
  draw();
}

function switchToken() {
  if (readToken()) keepToken(null);
  else askForToken();
}

function standing() {
  const status = resources.status.value;
  const freshness = dataFreshness(status);
  const unread = link.state === "open" && isStateOld(resources.status);
  const why = resources.status.error?.message ?? "no answer yet";
  const alive = link.state === "open" && !unread;
  return { status, freshness, link: link.state, silence: link.silence(), alive, unread: unread ? why : null };
}

function draw() {
  const now = standing();
  if (now.status?.now && resources.status.readAt === resources.status.triedAt) noteTime(now.status);
  document.body.dataset.link = now.link;
  document.body.dataset.unread = now.unread === null ? "no" : "yes";
  document.body.dataset.freshness = now.freshness;
  document.body.dataset.mode = now.status?.mode ?? "";
  const asks = now.link === "open";
  document.body.dataset.acting = now.status?.can_act && readToken() && asks ? "yes" : "no";
  setWhyNotAsk(whyNobodyActs(now.status));
  drawBar(place("bar"), now, { onTheme: COMMANDS.t[1], onToken: switchToken, onHelp: COMMANDS["?"][1] });
  const facts = {
    ...now,
    positions: resources.positions.value?.items,
    positionsOld: isOld(resources.positions),
    positionsUnread: whyUnread(resources.positions),
    unknown: resources.unknown.value?.items,
    unknownUnread: whyUnread(resources.unknown),
  };
  drawVerdict(place("verdict"), facts, asks ? actionButtons(now.status, () => readAgain("event")) : null);
  showInTab(now.status, now.alive && now.freshness !== "stale", wordOf(now), whyMarksAreOld(now.status) !== "");
  markActs(); // those of the verdict are new
  showAges(now);
  tick(now.alive);
}

function showAges({ link: state, status }) {
  const why = whyMarksAreOld(status);
  for (const panel of panels) panel.showAge(state === "open", OF_THE_VENUE.has(panel.node.id) ? why : "");
}

let timed = null;

function noteTime(status) {
  // Only once for each answer: later on the clock of the browser carries it.
  if (timed === status) return;
  timed = status;
  setServerTime(status.now);
}

let drawnAs = "";

function everyTick() {
  const now = standing();
  const as = `${now.link} ${now.freshness} ${now.unread}`;
  // The bar is drawn anew when something turned; while nothing answers, once a tick, for its age.
  if (as !== drawnAs || !now.alive) draw();
  drawnAs = as;
  showAges(now);
  markActs(); // a filter or a further page draws buttons at any time
  tick(now.alive);
  if (now.link !== "open" || document.hidden) return;
  for (const resource of Object.values(resources)) if (resource.isDue()) resource.refresh();
}
