// Equity with BTC beside it, drawdown below, and what happened as marks.

import { number, share, signed, stamp } from "../format.js";
import { timeAxis, tooltip, valueAxis } from "./chart.js";

const CROSS = "path://M2 0L5 3L8 0L10 2L7 5L10 8L8 10L5 7L2 10L0 8L3 5L0 2Z";
const MARKS = {
  entry: ["triangle", 0, "entry"],
  exit: ["triangle", 180, "exit"],
  promotion: ["diamond", 0, "promotion"],
  restart: ["rect", 0, "restart"],
  halt: [CROSS, 0, "halt"],
  resume: ["circle", 0, "resume"],
};
const SIZE = 9;

/** Return the option of the chart for an answer of /equity. */
export function equityOption({ points, btc = [], markers = [] }, colours) {
  const valueAt = (at) => points[Math.max(0, lastBefore(points, new Date(at).getTime()))]?.[1];
  const marks = markers.map((mark) => ({
    value: [mark.at, valueAt(mark.at)],
    symbol: MARKS[mark.kind]?.[0] ?? "circle",
    symbolRotate: MARKS[mark.kind]?.[1] ?? 0,
    itemStyle: { color: markColour(mark.kind, colours), borderColor: colours.panel, borderWidth: 1 },
    mark,
  }));
  const line = (name, data, axis, colour, rest = {}) => ({
    name,
    type: "line",
    data,
    showSymbol: false,
    xAxisIndex: axis,
    yAxisIndex: axis === 0 ? 0 : 2,
    sampling: "minmax",
    lineStyle: { color: colour, width: 1.6 },
    itemStyle: { color: colour },
    emphasis: { disabled: true },
    ...rest,
  });
  return {
    aria: { enabled: false },
    grid: [
      { left: 62, right: 58, top: 14, bottom: "34%" },
      { left: 62, right: 58, top: "72%", bottom: 24 },
    ],
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    tooltip: tooltip(colours, rowsOf(points, btc)),
    xAxis: [timeAxis(colours, 0, true), timeAxis(colours, 1)],
    yAxis: [
      equityAxis(points, colours),
      valueAxis(colours, 0, (value) => `${number(value / 1000, 1)}k`, {
        position: "right",
        splitLine: { show: false },
        min: ({ min, max }) => min - missing(min, max),
        max: ({ min, max }) => max + missing(min, max),
      }),
      valueAxis(colours, 1, (value) => `${number(value * 100, 1)}%`, {
        max: 0,
        min: ({ min }) => Math.min(-0.005, min),
        splitNumber: 2,
      }),
    ],
    series: [
      line("BTC", btc, 0, colours.muted, {
        yAxisIndex: 1,
        lineStyle: { color: colours.muted, width: 1, opacity: 0.75 },
      }),
      line(
        "equity",
        points.map(([at, value]) => [at, value]),
        0,
        colours.accent,
        { z: 3 },
      ),
      line(
        "drawdown",
        points.map(([at, , drawdown]) => [at, drawdown === null ? null : -Math.abs(drawdown)]),
        1,
        colours.down,
        { areaStyle: { color: colours.down, opacity: 0.18 }, lineStyle: { color: colours.down, width: 1 } },
      ),
      {
        name: "marks",
        type: "scatter",
        data: marks,
        symbolSize: SIZE,
        z: 5,
        tooltip: {
          ...tooltip(colours, ([point]) => [
            [`${stamp(point.data.mark.at)} UTC`, "muted"],
            [`${point.data.mark.kind}: ${point.data.mark.text}`],
          ]),
          trigger: "item",
        },
      },
    ],
  };
}

/** What a range lacks on each side of being 1% of its highest value. */
const missing = (low, high) => Math.max(0, Math.abs(high) * 0.01 - (high - low)) / 2;

/** At least 1% of the equity is in the picture: a flat line is drawn flat, and its noise does not fill the panel. */
function equityAxis(points, colours) {
  const values = points.map((point) => point[1]);
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const lacking = missing(low, high);
  const axis = valueAxis(colours, 0, (value) => number(value, 0));
  if (!lacking) return axis;
  const quiet = { ...axis.axisLabel, showMinLabel: false, showMaxLabel: false };
  return { ...axis, min: low - lacking, max: high + lacking, axisLabel: quiet };
}

function rowsOf(points, btc) {
  return (found) => {
    const at = found[0]?.axisValue;
    const point = points[Math.max(0, lastBefore(points, at))];
    const price = btc[Math.max(0, lastBefore(btc, at))];
    if (!point) return [];
    const marks = found
      .filter((item) => item.seriesName === "marks")
      .map((item) => [`${item.data.mark.kind}: ${item.data.mark.text}`, "strong"]);
    const change = point[1] - points[0][1];
    return [
      [`${stamp(point[0])} UTC`, "muted"],
      [`equity ${number(point[1])} USDT (${signed(change)} since the start)`],
      [`drawdown ${share(point[2] === null ? null : Math.abs(point[2]))}`],
      ...(price ? [[`BTC ${number(price[1])}`]] : []),
      ...marks,
    ];
  };
}

/** Return the index of the last row at or before `at` (milliseconds); −1 where none is. Rows are sorted by time. */
export function lastBefore(rows, at) {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (new Date(rows[middle][0]).getTime() <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function markColour(kind, colours) {
  return (
    { halt: colours.down, resume: colours.up, promotion: colours.accent, restart: colours.warn }[kind] ?? colours.text
  );
}

/** What the marks of the chart mean, for its legend. */
export const MARK_WORDS = [
  ["▲", "entry"],
  ["▼", "exit"],
  ["◆", "promotion"],
  ["■", "restart"],
  ["✕", "halt"],
  ["●", "resume"],
];
