// Tables that can be sorted: the order is the reader's and stays when news comes.

import { el } from "./dom.js";

/**
 * A sorted table. `columns` are `{name, of, show, text, long}`: `of` returns the value that is sorted by, `show` the
 * cell (default: the value), `text` sets words left. What has no value stays last in either direction.
 */
export class SortedTable {
  constructor(caption, columns, onSort, start = null) {
    this.caption = caption;
    this.columns = columns;
    this.onSort = onSort;
    this.by = start?.by ?? null;
    this.down = start?.down ?? true;
  }

  sorted(rows) {
    const column = this.columns.find((item) => item.name === this.by);
    if (!column) return rows;
    const missing = (value) => value === null || value === undefined;
    return [...rows].sort((left, right) => {
      const [a, b] = [column.of(left), column.of(right)];
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      const order = typeof a === "string" ? a.localeCompare(b) : a - b;
      return this.down ? -order : order;
    });
  }

  sortBy(name) {
    this.down = this.by === name ? !this.down : true;
    this.by = name;
    this.onSort();
  }

  draw(rows) {
    const head = this.columns.map((column) => {
      const sort = this.by === column.name ? (this.down ? "descending" : "ascending") : "none";
      const button = el(
        "button",
        { type: "button", data: { key: `sort-${column.name}` }, on: { click: () => this.sortBy(column.name) } },
        column.name,
      );
      return el("th", { scope: "col", role: "columnheader", class: kindOf(column), aria: { sort } }, button);
    });
    const body = this.sorted(rows).map((row) =>
      el(
        "tr",
        { role: "row" },
        this.columns.map((column) => cell(column, row)),
      ),
    );
    // The roles hold where the style makes rows of two lines out of it, which would end the table for screen readers.
    return el(
      "table",
      { role: "table" },
      el("caption", { class: "hidden" }, this.caption),
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, head)),
      el("tbody", { role: "rowgroup" }, body),
    );
  }
}

/** A table without sorting, from heads and rows of cells; `left` are the columns of words. */
export function plainTable(caption, heads, rows, left = [0]) {
  const tone = (index) => (left.includes(index) ? "text" : null);
  return el(
    "table",
    {},
    el("caption", { class: "hidden" }, caption),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        heads.map((head, index) => el("th", { scope: "col", class: tone(index) }, head)),
      ),
    ),
    el(
      "tbody",
      {},
      rows.map((row) =>
        el(
          "tr",
          {},
          row.map((value, index) => el("td", { class: tone(index) }, value)),
        ),
      ),
    ),
  );
}

function cell(column, row) {
  const value = column.show ? column.show(row) : column.of(row);
  return el("td", { role: "cell", class: kindOf(column) }, value ?? "–");
}

const kindOf = (column) => [column.text ? "text" : "", column.long ? "long" : ""].join(" ").trim() || null;
