// Reasons against a pair, sorted into kinds: each with a symbol of its own, for tables and the heat map.

// In the order in which they are tried: what is not known comes before what it is not known of.
const KINDS = [
  ["data", "!", "not known, stale or missing", /unknown|known for|stale|missing|no bar|quarantin|unusable|drift/i],
  ["funding", "f", "funding against it", /funding/i],
  ["size", "▫", "cannot be sized", /lots|size|notional|small|minimum/i],
  ["relation", "≁", "correlated with what is held, or not related", /correlation|cointegrat|half-life|hedge ratio/i],
  ["held", "■", "held, or one of its assets is", /held/i],
  ["probability", "p", "probability too low", /probability/i],
  ["threshold", "z", "z inside the entry band", /\|z\||threshold/i],
  ["cost", "$", "does not pay its costs", /cost|edge|fee/i],
];

/** Return `{key, sign, text}` of a reason; a pair without one is a candidate. */
export function kindOf(rejected) {
  if (rejected === null || rejected === undefined) return { key: "candidate", sign: "●", text: "candidate" };
  const found = KINDS.find(([, , , pattern]) => pattern.test(rejected));
  return found
    ? { key: found[0], sign: found[1], text: found[2] }
    : { key: "other", sign: "·", text: "another reason" };
}

/** Return the kind of a pair of a decision, which may have been opened. */
export const kindOfRow = (row) =>
  row.outcome === "opened" ? { key: "opened", sign: "✓", text: "opened" } : kindOf(row.rejected);

/** Return the kinds that occur in `rows`, with their counts, what was opened and the candidates first. */
export function countKinds(rows) {
  const counts = new Map();
  for (const row of rows) {
    const kind = kindOfRow(row);
    counts.set(kind.key, { ...kind, count: (counts.get(kind.key)?.count ?? 0) + 1 });
  }
  const first = (kind) => ["candidate", "opened"].indexOf(kind.key);
  return [...counts.values()].sort((a, b) => first(b) - first(a) || b.count - a.count);
}
