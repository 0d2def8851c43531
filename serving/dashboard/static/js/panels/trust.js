// Trust: parity, quarantined and stale inputs, the last reconciliation, the ledger, the clock.

import { el, fill } from "../dom.js";
import { known, number, signed } from "../format.js";
import { symbol } from "../figures.js";
import { Panel, seen } from "../panel.js";

export function trustPanel(resources) {
  const panel = new Panel("trust", "Trust", [resources.trust]);
  resources.trust.onChange(() => {
    const trust = resources.trust.value;
    if (trust) fill(panel.body, el("ul", { class: "checks" }, checks(trust)));
  });
  return panel;
}

function checks({
  parity,
  quarantine = [],
  quarantine_error: unread,
  stale = [],
  reconciliation,
  ledger,
  clock_skew_s: skew,
  limits,
}) {
  const limit = known(limits?.clock_skew_s) ? limits.clock_skew_s : 1;
  return [
    counted("Parity", parity, "different", parity ? `${number(parity.checked, 0)} values checked, ` : "", blocking(parity)),
    counted("Reconciliation", reconciliation, "differences"),
    counted("Ledger", ledger, "differences"),
    check(
      known(skew) ? (Math.abs(skew) <= limit ? "good" : "bad") : "unknown",
      "Clock",
      known(skew) ? `${signed(skew * 1000, 0)} ms against the venue` : "not measured",
    ),
    check(
      unread ? "unknown" : quarantine.length ? "warn" : "good",
      "Quarantine",
      unread ?? (quarantine.length ? null : "nothing is quarantined"),
      quarantine.map((item) => `${item.stage} ${item.key}: ${(item.rules ?? []).join(", ")}`),
    ),
    check(
      stale.length ? "warn" : "good",
      "Inputs",
      stale.length ? null : "none is stale",
      stale.map((item) => `${item.asset}: ${item.reason}`),
    ),
  ];
}

// What of the parity a person has to know: causes of differences, and that nothing is promoted meanwhile.
function blocking(parity) {
  if (!parity) return [];
  const causes = Object.entries(parity.causes ?? {}).map(([cause, count]) => `${number(count, 0)} ${cause}`);
  return [...causes, ...(parity.blocks ? [`no model is promoted: ${parity.blocks}`] : [])];
}

function counted(name, found, field, before = "", list = []) {
  if (!found) return check("unknown", name, "not checked yet");
  const count = found[field];
  const kind = !known(count) ? "unknown" : count === 0 ? "good" : "bad";
  const words = known(count) ? `${before}${number(count, 0)} ${field}` : "not known";
  return check(kind, name, [words, el("span", { class: "muted" }, " · ", seen(found.at))], list);
}

function check(kind, name, text, list = []) {
  return el(
    "li",
    {},
    symbol(kind),
    el(
      "div",
      {},
      el("span", { class: "strong" }, name),
      text ? el("div", {}, text) : null,
      list.map((item) => el("small", { class: "wrap" }, item)),
    ),
  );
}
