// The page of one order: the chain from it back to raw data and code, as `pairity trace ORDER --chain` prints it.

import { get } from "./api.js";
import { copyable, whyLink } from "./copy.js";
import { el, fill } from "./dom.js";
import { state as sign } from "./figures.js";
import { exact, known, number, pairName, percent, preciseStamp, price, readable, signed } from "./format.js";
import { plainTable } from "./table.js";
import { chosenTheme, startTheme, switchTheme } from "./theme.js";

const WITHIN_MS = 120000;
const place = (id) => document.getElementById(id);
const order = decodeURIComponent(location.pathname.split("/").pop());

startTheme();
nameTheme();
place("theme").addEventListener("click", () => {
  switchTheme();
  nameTheme();
});
place("title").textContent = `Why order ${order}?`;
document.title = `why ${order} – pairity`;
show();

function nameTheme() {
  place("theme").textContent = `Colours: ${chosenTheme()}`;
}

async function show() {
  try {
    const chain = await get(`why/${encodeURIComponent(order)}`, WITHIN_MS);
    place("state").hidden = true;
    fill(place("steps"), steps(chain).map(drawStep));
  } catch (error) {
    const node = place("state");
    node.classList.add("bad-news");
    fill(node, `✕ ${explain(error)}`, error.remedy ? el("div", { class: "muted" }, error.remedy) : null);
  }
}

function explain(error) {
  if (error.status === 401) return "the token is missing: open this page from the dashboard of the same tab (press u there)";
  if (error.status === 404) return `there is no order ${order}: ${error.message}`;
  return `the chain cannot be shown: ${error.message}`;
}

const drawStep = ([name, ...inside], index) =>
  el("li", {}, el("h2", {}, `${index + 1}. ${name}`), el("div", { class: "inside" }, inside));

function steps(chain) {
  if (!chain.decision) return [drawOrder(chain.order), ["Decision", adopted(chain.entry_order)]];
  return [
    drawOrder(chain.order),
    drawDecision(chain.decision, chain.score?.pair),
    ...(chain.score
      ? [
          drawScore(chain.score),
          drawFeatures(chain.features),
          ...(chain.model ? [drawModel(chain.model)] : []),
          drawRaw(chain.raw, chain.raw_fault),
        ]
      : []),
    drawCode(chain.code),
  ];
}

function adopted(entry) {
  if (!entry) return el("p", {}, "No decision placed it: the position was adopted.");
  return el("p", {}, "No decision of its own; its position was opened by ", whyLink(entry, entry));
}

const facts = (...rows) =>
  el(
    "dl",
    { class: "facts" },
    rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value ?? "–"))),
  );

const scroll = (name, table) =>
  el("div", { class: "scroll", tabindex: "0", role: "group", aria: { label: name } }, table);

function drawOrder(found) {
  return [
    "Order",
    facts(
      ["what", `${found.purpose} ${found.side} ${exact(found.contracts)} contracts of ${found.instrument}`],
      ["state", `${found.state}, filled ${exact(found.filled_contracts)}`],
      ["average price", price(found.average_price)],
      ["client order id", copyable(found.client_order_id)],
      ["venue's order id", copyable(found.order_id)],
      ["position", copyable(found.position_id)],
    ),
    scroll(
      "Steps of the order",
      plainTable(
        "Steps of the order",
        ["at, UTC", "state", "the venue said"],
        found.steps.map((step) => [preciseStamp(step.at), step.state, step.answer || "–"]),
        [0, 1, 2],
      ),
    ),
  ];
}

function drawDecision(found, pair) {
  const table = found.names.length ? tableNames(found.names) : tablePairs(found.pairs, pair);
  return [
    "Decision",
    el("p", {}, el("b", {}, `${found.action}: `), readable(found.reason)),
    facts(
      ["bar that closed", `${preciseStamp(found.event_timestamp)} UTC`],
      ["decided", `${preciseStamp(found.decision_time)} UTC`],
      ["decision", copyable(found.decision_id)],
      ["feature service", found.feature_service],
    ),
    scroll(table.caption.textContent, table),
  ];
}

function tableNames(names) {
  const table = plainTable(
    "Names of the decision",
    ["name", "held", "target", "contracts", "wanted", "traded", "why"],
    names.map((row) => [
      row.name,
      percent(row.weight),
      percent(row.target),
      exact(row.held),
      exact(row.contracts),
      readable(row.cause),
      readable(row.why),
    ]),
    [0, 5, 6],
  );
  for (const line of table.tBodies[0].rows) line.cells[6].classList.add("long");
  return table;
}

function tablePairs(pairs, pair) {
  const rows = [...pairs].sort((a, b) => (b.pair === pair) - (a.pair === pair)); // the order's own first
  const table = plainTable(
    "Pairs of the decision",
    ["pair", "z", "probability", "score", "why"],
    rows.map((row) => [
      pairName(row.pair),
      signed(row.z),
      number(row.probability, 3),
      number(row.score, 3),
      readable(row.why),
    ]),
    [0, 4],
  );
  rows.forEach((row, at) => {
    const line = table.tBodies[0].rows[at];
    line.classList.toggle("own", row.pair === pair);
    line.cells[4].classList.add("long");
  });
  return table;
}

function drawScore(score) {
  const same = (is) => (is ? sign("good", "the same float") : sign("bad", "NOT THE SAME"));
  return [
    `${score.kind === "weight" ? "Weight" : "Score"} of ${pairName(score.pair)}, computed again`,
    facts(
      ["in the journal", digits(score.recorded)],
      ["from the journal's features", [digits(score.from_journal), " ", same(score.same_from_journal)]],
      [
        "from the raw data",
        score.same_from_lake === null
          ? "not computed"
          : [digits(score.from_lake), " ", same(score.same_from_lake)],
      ],
    ),
  ];
}

/** A float with every digit: what was scored must be readable to the bit. */
const digits = (value) => (known(value) ? el("span", { class: "mono" }, String(value)) : "–");

function drawFeatures(rows) {
  return [
    "Features that were decided on",
    rows.length
      ? scroll(
          "Features",
          plainTable(
            "Features",
            ["feature", "value", "event time", "known here since", "of", "service"],
            rows.map((row) => [
              row.name,
              typeof row.value === "number" ? digits(row.value) : (row.value ?? "null"),
              preciseStamp(row.event_timestamp),
              preciseStamp(row.created_timestamp),
              readable(row.entity),
              row.service,
            ]),
            [0, 4, 5],
          ),
        )
      : el("p", {}, "The journal has none."),
  ];
}

function drawModel(model) {
  return [
    "Model, label, folds and training set",
    facts(
      ["version", `${model.name} ${model.version} (${model.family})`],
      ["trained up to", model.train_end],
      ["MLflow run", copyable(model.run_id)],
      ["files (sha256)", copyable(model.sha256)],
      ["data snapshot", copyable(model.snapshot_id)],
    ),
    el(
      "ul",
      {},
      model.training.map((line) => el("li", { class: "wrap" }, line)),
    ),
  ];
}

function drawRaw(raw, fault) {
  if (!raw) return ["Raw data", el("p", {}, fault ? `✕ cannot be read: ${fault}` : "not computed from the raw data")];
  const verdict = raw.different.length
    ? sign("bad", `NOT THE SAME: ${raw.different.join(", ")} of ${raw.compared} features`)
    : sign("good", `all ${raw.compared} features computed from the raw data are the same, bit for bit`);
  return [
    "Raw data as known at the decision",
    el("p", {}, verdict),
    facts(
      ["could be known from", `${preciseStamp(raw.known_from)} UTC`],
      ["digest of all", copyable(raw.digest)],
      ["partitions of other instruments", String(raw.others)],
    ),
    scroll(
      "Raw partitions",
      plainTable(
        "Raw partitions",
        ["dataset", "instrument", "month", "content"],
        raw.parts.map((part) => [part.dataset, part.instrument, part.month, copyable(part.content, part.content.slice(0, 16))]),
        [0, 1, 2, 3],
      ),
    ),
  ];
}

function drawCode(code) {
  if (!code) return ["Code and settings", el("p", {}, "The run of the process is not known.")];
  return [
    "Code and settings",
    facts(
      ["code", copyable(code.code_revision)],
      ["settings (digest)", copyable(code.settings_digest)],
      ["mode", code.mode],
      ["process started", `${preciseStamp(code.started_at)} UTC`],
    ),
  ];
}
