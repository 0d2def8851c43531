// A pair: ratio and z with its bands, what was traded, live stop and target; candles of each leg; one crosshair.

import { number, price, signed, stamp } from "../format.js";
import { lastBefore } from "./equity.js";
import { timeAxis, tooltip, valueAxis } from "./chart.js";

const WIDE = 560;

/** Return the option for `{series, first, second, assets}`: answers of the API, candles null where not read. */
export function pairOption({ series, first, second, assets }, colours, width) {
  const grids = width >= WIDE ? sideBySide() : stacked();
  const names = ["ratio", "z", ...assets];
  return {
    title: grids.map((grid, index) => ({
      text: names[index],
      left: grid.title ?? grid.left,
      top: grid.titleTop,
      padding: 0,
      textStyle: { color: colours.muted, fontSize: 11, fontWeight: 500 },
    })),
    grid: grids.map(({ left, right, top, height, width: part }) => ({
      left,
      right,
      top,
      height,
      ...(part ? { width: part } : {}),
    })),
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    tooltip: tooltip(colours, rowsOf(series, first, second, assets)),
    xAxis: grids.map((grid, index) => ({ ...timeAxis(colours, index, grid.quiet), ...range(series) })),
    yAxis: [
      valueAxis(colours, 0, shortPrice, { splitNumber: 4 }),
      zAxis(series, colours),
      legAxis(assets[0], series.open, 2, colours),
      legAxis(assets[1], series.open, 3, colours),
    ],
    series: [
      line(
        "ratio",
        series.points.map(([at, ratio]) => [at, ratio]),
        0,
        colours.text,
      ),
      {
        ...line(
          "z",
          series.points.map(([at, , z]) => [at, z]),
          1,
          colours.accent,
        ),
        markLine: bands(series.bands, colours),
      },
      {
        name: "trades",
        type: "scatter",
        xAxisIndex: 1,
        yAxisIndex: 1,
        symbolSize: 10,
        z: 5,
        data: marks(series, colours),
      },
      candle(assets[0], first, 2, series.open, colours),
      candle(assets[1], second, 3, series.open, colours),
    ],
  };
}

function sideBySide() {
  const [left, right] = [
    { left: 48, width: "36%" },
    { left: "55%", right: 42 },
  ];
  return [
    { ...left, top: 22, height: "36%", titleTop: 3, quiet: true },
    { ...left, top: "57%", height: "34%", titleTop: "50%" },
    { ...right, top: 22, height: "36%", titleTop: 3, quiet: true },
    { ...right, top: "57%", height: "34%", titleTop: "50%" },
  ];
}

function stacked() {
  const at = (top, height, quiet) => ({
    left: 48,
    right: 42,
    top: `${top}%`,
    height: `${height}%`,
    titleTop: `${top - 4}%`,
    quiet,
  });
  return [at(4, 18, true), at(28, 18, true), at(52, 17, true), at(75, 18, false)];
}

const range = ({ points }) => (points.length ? { min: points[0][0], max: points.at(-1)[0] } : {});

function line(name, data, index, colour) {
  return {
    name,
    type: "line",
    data,
    xAxisIndex: index,
    yAxisIndex: index,
    showSymbol: false,
    connectNulls: false,
    lineStyle: { color: colour, width: 1.4 },
    itemStyle: { color: colour },
    emphasis: { disabled: true },
  };
}

function candle(name, found, index, open, colours) {
  // The library takes open, close, low, high; the API gives open, high, low, close.
  const data = (found?.candles ?? []).map(([at, open, high, low, close]) => [at, open, close, low, high]);
  return {
    name: name ?? "",
    type: "candlestick",
    data,
    xAxisIndex: index,
    yAxisIndex: index,
    itemStyle: { color: colours.panel, color0: colours.muted, borderColor: colours.text, borderColor0: colours.muted },
    emphasis: { disabled: true },
    markLine: levels(name, open, colours),
  };
}

/** The axis of a leg's prices reaches as far as its live levels: a stop outside of the picture protects nobody's eyes. */
function legAxis(name, open, index, colours) {
  const found = open && open.asset === name ? [open.stop, open.target].filter(isLevel) : [];
  const reach = found.length
    ? { min: ({ min }) => Math.min(min, ...found) * 0.995, max: ({ max }) => Math.max(max, ...found) * 1.005 }
    : {};
  const axis = valueAxis(colours, index, shortPrice, { splitNumber: 4, ...reach });
  // The ends are where the levels happen to lie, no round figures: they are not written.
  return { ...axis, axisLabel: { ...axis.axisLabel, showMinLabel: false, showMaxLabel: false } };
}

/** A price on an axis: four digits that count suffice. */
const shortPrice = (value) =>
  Number(Number(value).toPrecision(4)).toLocaleString("en-US", { maximumFractionDigits: 10 });

function zAxis({ points, bands = {} }, colours) {
  const edges = [bands.entry, bands.stop].filter((value) => typeof value === "number").map(Math.abs);
  const most = Math.max(1, ...edges, ...points.map(([, , z]) => Math.abs(z ?? 0))) * 1.08;
  const edge = Math.ceil(most * 2) / 2;
  return valueAxis(colours, 1, (value) => signed(value, 1), {
    scale: false,
    min: -edge,
    max: edge,
    interval: edge / 2,
  });
}

const level = (value, name, colour, type) => ({
  yAxis: value,
  name,
  lineStyle: { color: colour, type, width: 1 },
  label: { formatter: name, position: "end", distance: 4, color: colour, fontSize: 10 },
});
const isLevel = (value) => typeof value === "number";

function bands(found = {}, colours) {
  const both = (value, name, colour) =>
    isLevel(value) ? [level(value, name, colour, "dashed"), level(-value, "", colour, "dashed")] : [];
  return {
    silent: true,
    symbol: "none",
    data: [
      ...both(found.entry, "entry", colours.warn),
      ...both(found.exit, "exit", colours.muted),
      ...both(found.stop, "stop", colours.down),
    ],
  };
}

/** Live stop and target: prices of one leg's asset, drawn on its candles. */
function levels(name, open, colours) {
  const found =
    open && open.asset === name
      ? [
          [open.stop, "stop", colours.down],
          [open.target, "target", colours.up],
        ]
      : [];
  return {
    silent: true,
    symbol: "none",
    data: found.filter(([value]) => isLevel(value)).map(([value, word, colour]) => level(value, word, colour, "solid")),
  };
}

function marks({ trades = [] }, colours) {
  return trades
    .filter((trade) => typeof trade.z === "number")
    .map((trade) => ({
      value: [trade.at, trade.z],
      symbol: "triangle",
      symbolRotate: trade.kind === "entry" ? 0 : 180,
      itemStyle: {
        color: trade.kind === "entry" ? colours.text : colours.warn,
        borderColor: colours.panel,
        borderWidth: 1,
      },
      trade,
    }));
}

function rowsOf(series, first, second, assets) {
  return (found) => {
    const at = found[0]?.axisValue;
    const point = series.points[lastBefore(series.points, at)];
    const rows = [[`${stamp(point?.[0] ?? at)} UTC`, "muted"]];
    if (point) rows.push([`ratio ${price(point[1])}   z ${signed(point[2])}`]);
    for (const [name, answer] of [
      [assets[0], first],
      [assets[1], second],
    ]) {
      const candles = answer?.candles ?? [];
      const row = candles[lastBefore(candles, at)];
      if (row) rows.push([`${name} ${price(row[4])} (${price(row[3])} to ${price(row[2])})`]);
    }
    for (const item of found) {
      const trade = item.data?.trade;
      if (trade) rows.push([`${trade.kind} at z ${number(trade.z)}: ${trade.reason ?? ""}`, "strong"]);
    }
    return rows;
  };
}
