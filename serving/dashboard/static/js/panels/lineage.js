// A pair of one decision in full: its features with both times, and where model, data and orders come from.

import { get } from "../api.js";
import { openDialog } from "../dialog.js";
import { copyable, whyLink } from "../copy.js";
import { el, fill } from "../dom.js";
import { known, number, pairName, preciseStamp, readable, signed } from "../format.js";
import { empty, facts } from "../panel.js";
import { SortedTable } from "../table.js";

/** Open the dialog of a pair: `row` is its line in the decision. */
export async function openLineage(decisionId, row) {
  const inside = el("div", { class: "inside" }, empty("loading"));
  openDialog(`${pairName(row.pair)} in decision ${decisionId}`, inside, { broad: true });
  try {
    const found = await get(`decisions/${encodeURIComponent(decisionId)}/pairs/${encodeURIComponent(row.pair)}`);
    fill(inside, drawFacts(row), drawFeatures(found.features ?? []), drawLineage(decisionId, found.lineage ?? {}));
  } catch (error) {
    fill(inside, empty(`✕ cannot be read: ${error.message}`));
  }
}

function drawFacts(row) {
  return facts(
    ["z", signed(row.z)],
    ["probability", number(row.probability, 4)],
    ["edge", signed(row.edge, 4)],
    ["score", number(row.score, 4)],
    ["direction", row.direction ?? "–"],
    ["what became of it", row.rejected ?? readable(row.outcome ?? "a candidate")],
  );
}

function drawFeatures(rows) {
  const place = el("div", {
    class: "scroll",
    tabindex: "0",
    role: "group",
    aria: { label: "Features" },
    data: { key: "features" },
  });
  const table = new SortedTable(
    "Features",
    [
      { name: "feature", text: true, of: (item) => item.name },
      {
        name: "value",
        of: (item) => item.value,
        show: (item) => (known(item.value) ? signed(item.value, 6) : (item.value ?? "null")),
      },
      { name: "event time", of: (item) => item.event_timestamp, show: (item) => preciseStamp(item.event_timestamp) },
      { name: "known since", of: (item) => item.created_timestamp, show: (item) => preciseStamp(item.created_timestamp) },
      { name: "service", text: true, of: (item) => item.service },
      { name: "entity", text: true, of: (item) => item.entity },
    ],
    () => draw(),
  );
  const draw = () => fill(place, rows.length ? table.draw(rows) : empty("No features were kept."));
  draw();
  return place;
}

function drawLineage(decisionId, lineage) {
  const orders = lineage.order_ids ?? [];
  const rows = Object.entries(lineage).map(([name, value]) => [name.replaceAll("_", " "), many(value)]);
  if (orders.length) rows.push(["the whole chain", orders.map((id) => el("div", {}, whyLink(id, `why ${id}?`)))]);
  return facts(["decision", copyable(decisionId)], ...rows);
}

function many(value) {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value)) return value.length ? value.map((item) => el("div", {}, copyable(String(item)))) : "none";
  return typeof value === "object" ? el("span", { class: "mono" }, JSON.stringify(value)) : copyable(String(value));
}
