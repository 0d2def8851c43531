"""The overview of what was judged: `index.html` of the Data Docs. One page of our own, no scripts.

It says per dataset, per asset or pair and per month how many rows were checked, how many partitions failed, how many
rows are withheld and when something was judged last, with links to Great Expectations' page of that validation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.catalog import VIEWS
from feature_repo.offline_files import scan_view
from feature_repo.raw_datasets import DATASETS
from feature_repo.raw_files import count_rows_by_partition
from pairity.durable import replace_file
from pairity.layout import Layout
from validation.docs_pages import DocsPage, list_pages, list_suite_pages
from validation.measurements import split_key
from validation.pages.render import render_page
from validation.quarantine import QuarantineItem, read_items
from validation.results import StoredResult, count_older_files
from validation.verdict_counts import count_verdicts, count_verdicts_by_entity

NAME = "index.html"
_TEMPLATES = Path(__file__).parent / "pages" / "templates"


@dataclass(frozen=True, slots=True)
class Cell:
    """One dataset and month: stored rows (None for views), verdicts by partition, rows withheld."""

    rows: int | None
    passed: int
    failed: int
    withheld: int


@dataclass(frozen=True, slots=True)
class EntityLine:
    """One asset or pair of a dataset or view.

    `checked` are all rows that were judged: those that were let in, every version of them, and those that are withheld.
    `passed` and `failed` count its partitions by their newest verdict. `page` is Great Expectations' page of the newest
    validation that is kept in which it was judged, None where there is none.
    """

    entity: str
    checked: int
    passed: int
    failed: int
    withheld: int
    page: DocsPage | None

    @property
    def state(self) -> str:
        """`bad` where rows are withheld or a partition failed, `good` else, as the class of the style sheet."""
        return "bad" if self.withheld or self.failed else "good"


@dataclass(frozen=True, slots=True)
class DatasetLines:
    """One dataset or view with a line per asset or pair, what is not in order first."""

    name: str
    lines: tuple[EntityLine, ...]
    reported: tuple[str, ...]
    """Rules that the newest validations of its partitions found broken, also those that withhold nothing."""

    @property
    def checked(self) -> int:
        """Rows that were judged."""
        return sum(line.checked for line in self.lines)

    @property
    def failed(self) -> int:
        """Partitions whose newest verdict is that they failed."""
        return sum(line.failed for line in self.lines)

    @property
    def partitions(self) -> int:
        """Partitions with a verdict."""
        return sum(line.failed + line.passed for line in self.lines)

    @property
    def withheld(self) -> int:
        """Rows that are withheld."""
        return sum(line.withheld for line in self.lines)

    @property
    def page(self) -> DocsPage | None:
        """Page of the newest validation."""
        return max((line.page for line in self.lines if line.page), key=lambda page: page.at, default=None)


def collect_cells(layout: Layout, items: Iterable[QuarantineItem]) -> dict[str, dict[str, Cell]]:
    """Return the cells per dataset or view and month; datasets that were never seen are left out.

    `items` are the quarantine's items that are held.
    """
    verdicts = count_verdicts(layout)
    stored: dict[str, Counter[str]] = defaultdict(Counter)
    for (dataset, _, month), rows in count_rows_by_partition(layout).items():
        stored[dataset][month] += rows
    withheld: Counter[tuple[str, str]] = Counter()
    for item in items:
        withheld[item.dataset, split_key(item.key, "any")[1]] += item.rows
    table: dict[str, dict[str, Cell]] = defaultdict(dict)
    for name in (*DATASETS, *VIEWS):
        months = {*verdicts.get(name, {}), *stored.get(name, {}), *(month for of, month in withheld if of == name)}
        for month in sorted(months):
            passed, failed = verdicts.get(name, {}).get(month, (0, 0))
            own = stored.get(name, {}).get(month, 0) if name in DATASETS else None
            table[name][month] = Cell(own, passed, failed, withheld[name, month])
    return dict(table)


def collect_lines(
    layout: Layout, items: Iterable[QuarantineItem], pages: Sequence[DocsPage] = ()
) -> tuple[DatasetLines, ...]:
    """Return a line per dataset or view and entity; datasets that were never seen are left out."""
    verdicts = count_verdicts_by_entity(layout)
    stored: Counter[tuple[str, str]] = Counter()
    for (dataset, asset, _), rows in count_rows_by_partition(layout).items():
        stored[dataset, asset] += rows
    for name, view in VIEWS.items():
        counts = scan_view(layout, view).group_by(view.entity).agg(pl.len()).collect()
        stored.update({(name, str(entity)): rows for entity, rows in counts.iter_rows()})
    withheld: Counter[tuple[str, str]] = Counter()
    for item in items:
        withheld[item.dataset, item.entity] += item.rows
    newest = {
        (page.suite, entity): page for page in sorted(pages, key=lambda page: page.at) for entity in page.entities
    }
    runs = {(page.suite, page.about): page.broken for page in sorted(pages, key=lambda page: page.at)}
    found = []
    for name in (*DATASETS, *VIEWS):
        entities = sorted({entity for of, entity in (*verdicts, *stored, *withheld) if of == name})
        lines = [
            EntityLine(
                entity=entity,
                checked=stored[name, entity] + withheld[name, entity],
                passed=verdicts.get((name, entity), (0, 0))[0],
                failed=verdicts.get((name, entity), (0, 0))[1],
                withheld=withheld[name, entity],
                page=newest.get((name, entity)),
            )
            for entity in entities
        ]
        if lines:
            reported = sorted({rule for (suite, _), broken in runs.items() if suite == name for rule in broken})
            found.append(DatasetLines(name, tuple(sorted(lines, key=lambda line: line.state)), tuple(reported)))
    return tuple(found)


def write_overview(site: Path, layout: Layout, results: Sequence[StoredResult], now: datetime) -> Path:
    """Write `index.html` of a finished site of Great Expectations' pages; return its path."""
    withheld = read_items(layout, state="held")
    pages = list_pages(site, results)
    page = render_overview(
        lines=collect_lines(layout, withheld, pages),
        cells=collect_cells(layout, withheld),
        items=withheld,
        pages=pages,
        suites=list_suite_pages(site),
        older_results=count_older_files(layout),
        now=now,
    )
    target = site / NAME
    replace_file(target, page.encode(), durable=False)
    return target


def render_overview(
    *,
    lines: Sequence[DatasetLines],
    cells: Mapping[str, Mapping[str, Cell]],
    items: Sequence[QuarantineItem],
    pages: Sequence[DocsPage],
    suites: Mapping[str, str],
    older_results: int,
    now: datetime,
) -> str:
    """Return the page as HTML text. `older_results` is how many results of an earlier version are not shown."""
    return render_page(
        _TEMPLATES,
        "overview.html",
        lines=lines,
        cells=cells,
        months=sorted({month for row in cells.values() for month in row}),
        items=items,
        pages=pages,
        suites=suites,
        older_results=older_results,
        made=now,
    )
