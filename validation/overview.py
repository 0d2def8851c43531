"""The overview page: datasets × months with rows stored, passed, failed and withheld. One file, no scripts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from feature_repo.catalog import VIEWS
from feature_repo.raw_datasets import DATASETS
from feature_repo.raw_files import count_rows_by_month
from pairity.durable import replace_file
from pairity.layout import Layout
from validation.measurements import split_key
from validation.quarantine import QuarantineItem, read_items
from validation.results import count_older_files
from validation.sealed_pages import POLICY
from validation.verdict_counts import count_verdicts

NAME = "overview.html"
_STYLE = """body{font:14px/1.4 system-ui,sans-serif;margin:2em;color:#222}table{border-collapse:collapse;margin:1em 0}
th,td{border:1px solid #ccc;padding:.3em .6em;text-align:right;vertical-align:top}th:first-child,td:first-child{
text-align:left}.held{background:#fff1cc}.failed{background:#ffdcdc}.fine{background:#e9f6e9}small{color:#666}"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One dataset and month: stored rows (None for views), verdicts by partition, rows withheld."""

    rows: int | None
    passed: int
    failed: int
    withheld: int


def collect_cells(layout: Layout, items: Iterable[QuarantineItem]) -> dict[str, dict[str, Cell]]:
    """Return the cells per dataset or view and month; datasets that were never seen are left out.

    `items` are the quarantine's items that are held.
    """
    verdicts, stored = count_verdicts(layout), count_rows_by_month(layout)
    withheld: Counter[tuple[str, str]] = Counter()
    for item in items:
        withheld[item.dataset, split_key(item.key, "any")[1]] += item.rows
    table: dict[str, dict[str, Cell]] = defaultdict(dict)
    for name in (*DATASETS, *VIEWS):
        months = {*verdicts.get(name, {}), *stored.get(name, {}), *(month for of, month in withheld if of == name)}
        for month in sorted(months):
            passed, failed = verdicts.get(name, {}).get(month, (0, 0))
            rows = stored.get(name, {}).get(month, 0) if name in DATASETS else None
            table[name][month] = Cell(rows, passed, failed, withheld[name, month])
    return dict(table)


def write_overview(layout: Layout) -> Path:
    """Write the page beside the Data Docs; return its path."""
    target = layout.expectations / NAME
    withheld = read_items(layout, state="held")
    page = render_page(collect_cells(layout, withheld), withheld, older_results=count_older_files(layout))
    replace_file(target, page.encode())
    return target


def render_page(
    table: Mapping[str, Mapping[str, Cell]], items: Iterable[QuarantineItem], *, older_results: int = 0
) -> str:
    """Return the page as HTML text. `older_results` is how many results of an earlier version are not shown."""
    older = (
        f"<p>{older_results:,} validation results of an earlier version (gx/validations/*/) are not shown, and neither "
        "are its counts (gx/tally/): both folders may be deleted.</p>"
        if older_results
        else ""
    )
    months = sorted({month for row in table.values() for month in row})
    head = "".join(f"<th>{escape(month)}</th>" for month in months)
    body = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(_cell(row.get(month)) for month in months)}</tr>"
        for name, row in table.items()
    )
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>pairity: data</title>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<style>{_STYLE}</style></head><body><h1>What was judged</h1>"
        f"<table><tr><th>dataset</th>{head}</tr>{body}</table>"
        f"<h2>Held back</h2>{_withheld_table(list(items))}"
        "<p><a href='data_docs/index.html'>Great Expectations' pages of the newest validations</a></p>"
        f"{older}</body></html>\n"
    )


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "<td></td>"
    style = "held" if cell.withheld else "failed" if cell.failed else "fine"
    rows = "" if cell.rows is None else f"{cell.rows:,} rows<br>"
    withheld = f"<br>{cell.withheld:,} held back" if cell.withheld else ""
    return f"<td class='{style}'>{rows}<small>{cell.passed} passed, {cell.failed} failed</small>{withheld}</td>"


def _withheld_table(items: list[QuarantineItem]) -> str:
    if not items:
        return "<p>Nothing.</p>"
    lines = "".join(
        f"<tr><td>{escape(item.id)}</td><td>{escape(item.dataset)} {escape(item.key)}</td>"
        f"<td>{escape(', '.join(f'{rule.rule}: {rule.meaning}' for rule in item.failed))}</td><td>{item.rows:,}</td>"
        f"<td>{item.first or ''}</td><td>{item.last or ''}</td></tr>"
        for item in items
    )
    head = "".join(f"<th>{name}</th>" for name in ("id", "partition", "rule", "rows", "first", "last"))
    return f"<table><tr>{head}</tr>{lines}</table>"
