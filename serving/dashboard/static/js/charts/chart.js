// One chart on the page: the library is loaded with the first of them, sizes follow the panel, colours the theme.

import { el } from "../dom.js";
import { colour, onTheme } from "../theme.js";

const LIBRARY = "/static/vendor/echarts/echarts.min.js";
let loading = null;

/** Load the library once; the page is readable before it has come, and without it. */
function load() {
  loading ??= new Promise((done, failed) => {
    const script = el("script", { src: LIBRARY });
    script.addEventListener("load", () => done(window.echarts));
    script.addEventListener("error", () => failed(new Error("the chart library cannot be loaded")));
    document.head.append(script);
  });
  return loading;
}

export class Chart {
  /** `label` is what a screen reader says; `makeOption(value, colours, width)` returns the library's option. */
  constructor(label, makeOption) {
    this.node = el("div", { class: "chart", role: "img", aria: { label } });
    this.makeOption = makeOption;
    this.value = null;
    new ResizeObserver(() => this.resize()).observe(this.node);
    onTheme(() => this.draw());
  }

  /** Draw a value; `label` says in words what it shows. */
  show(value, label) {
    this.value = value;
    this.node.setAttribute("aria-label", label);
    return this.draw();
  }

  async draw() {
    if (this.value === null) return;
    try {
      const library = await load();
      this.chart ??= library.init(this.node, null, { renderer: "canvas" });
      this.chart.setOption(
        { ...common(this.colours()), ...this.makeOption(this.value, this.colours(), this.node.clientWidth) },
        { notMerge: true },
      );
      this.node.dataset.drawn = "yes";
    } catch (error) {
      this.node.dataset.drawn = "no";
      this.node.textContent = `✕ ${error.message}: the figures stand in the panels`;
    }
  }

  resize() {
    if (!this.chart || !this.node.clientWidth) return;
    this.chart.resize();
    const wide = this.node.clientWidth >= 560;
    if (wide !== this.wide) this.draw(); // another arrangement, not only another size
    this.wide = wide;
  }

  colours() {
    const names = ["text", "muted", "line", "strong-line", "panel", "raised", "up", "down", "warn", "accent"];
    return Object.fromEntries(names.map((name) => [name.replace("-l", "L"), colour(name, document.documentElement)]));
  }
}

function common(colours) {
  return {
    animation: false,
    useUTC: true,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11, color: colours.muted },
  };
}

/** A tooltip whose content is made of nodes: `rows(points)` returns its lines as `[text, class]`. */
export function tooltip(colours, rows) {
  return {
    trigger: "axis",
    confine: true,
    appendTo: "body",
    backgroundColor: colours.raised,
    borderColor: colours.strongLine,
    textStyle: { color: colours.text, fontSize: 12 },
    padding: [6, 9],
    formatter: (points) => {
      const list = Array.isArray(points) ? points : [points];
      return el(
        "div",
        { class: "tip" },
        rows(list).map(([text, kind]) => el("span", { class: kind ?? null }, text)),
      );
    },
  };
}

/** A day goes by month and day: a number alone may be an hour as well. */
const DAYS = { year: "{yyyy}", month: "{MM}-{dd}", day: "{MM}-{dd}", hour: "{HH}:{mm}", minute: "{HH}:{mm}" };

/** A time axis in UTC. */
export function timeAxis(colours, index, hidden = false) {
  return {
    type: "time",
    gridIndex: index,
    axisLine: { lineStyle: { color: colours.strongLine } },
    axisTick: { show: !hidden },
    axisLabel: { show: !hidden, color: colours.muted, hideOverlap: true, fontSize: 11, formatter: DAYS },
    splitLine: { show: false },
    axisPointer: { label: { show: false }, lineStyle: { color: colours.muted, type: "dashed" } },
  };
}

/** A value axis with few, quiet lines; `format` writes its figures. */
export function valueAxis(colours, index, format, rest = {}) {
  return {
    type: "value",
    gridIndex: index,
    scale: true,
    splitNumber: 3,
    axisLabel: { color: colours.muted, fontSize: 11, formatter: format },
    splitLine: { lineStyle: { color: colours.line } },
    axisPointer: { show: false },
    ...rest,
  };
}
