// Closed trades per pair: the total is a fact, the mean is an estimate and comes with its interval.

import { figure } from "../format.js";

// Two-sided 97.5% points of Student's t for 1…30 degrees of freedom; beyond that the normal one serves.
const T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** Return `{pair, trades, won, total, mean, low, high}` per pair; low and high are null with fewer than two trades. */
export function byPair(trades) {
  const groups = new Map();
  for (const trade of trades) {
    const result = figure(trade.result_usdt);
    if (result === null) continue; // a part of it is not known yet
    const key = trade.pair ?? "books";
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups].map(([pair, values]) => ({
    pair,
    trades: values.length,
    won: values.filter((value) => value > 0).length,
    ...interval(values),
  }));
}

/** Return total, mean and the 95% interval of the mean (Student's t) of results in USDT. */
export function interval(values) {
  const count = values.length;
  const total = values.reduce((sum, value) => sum + value, 0);
  const mean = total / count;
  if (count < 2) return { total, mean, low: null, high: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const half = (T[count - 2] ?? 1.96) * Math.sqrt(variance / count);
  return { total, mean, low: mean - half, high: mean + half };
}
