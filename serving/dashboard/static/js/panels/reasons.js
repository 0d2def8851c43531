// Reasons against a pair, sorted into kinds: each with a symbol of its own, for tables and the heat map.

const KINDS = [
  ["stale", "!", "stale or missing data", /stale|missing|no bar|quarantin|unusable|drift|null/i],
  ["held", "■", "held, or one of its assets is", /held|already/i],
  ["probability", "p", "probability too low", /probabilit/i],
  ["cost", "$", "does not pay its costs", /cost|edge|fee|spread of the book/i],
  ["threshold", "z", "z inside the entry band", /\bz\b|\|z\||threshold|diverg|band/i],
  ["relation", "≁", "not related closely enough", /cointegrat|half-life|correl|hedge/i],
  ["size", "▫", "cannot be sized", /size|notional|lot|minimum|margin|limit/i],
];

/** Return `{key, sign, text}` of a reason; a pair without one is a candidate. */
export function kindOf(rejected) {
  if (rejected === null || rejected === undefined) return { key: "candidate", sign: "●", text: "candidate" };
  const found = KINDS.find(([, , , pattern]) => pattern.test(rejected));
  return found
    ? { key: found[0], sign: found[1], text: found[2] }
    : { key: "other", sign: "·", text: "another reason" };
}

/** Return the kinds that occur in `rows`, with their counts, the candidates first. */
export function countKinds(rows) {
  const counts = new Map();
  for (const row of rows) {
    const kind = kindOf(row.rejected);
    counts.set(kind.key, { ...kind, count: (counts.get(kind.key)?.count ?? 0) + 1 });
  }
  return [...counts.values()].sort((a, b) => (b.key === "candidate") - (a.key === "candidate") || b.count - a.count);
}
