"""`pairity data` and `pairity gaps`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pairity.names import IDENTIFIER, VENUE
from pairity.number_formats import format_count
from pairity_cli.context import (
    CONTROL_URL,
    EXCHANGE_URL,
    NOTHING_STORED,
    echo,
    reports_errors,
    run_async,
    settings_from,
)
from pairity_cli.data_verdict import say_data_verdict, say_nothing_stored
from pairity_cli.parameters import (
    ASKED_FOLDER,
    ASKED_SOURCE,
    KNOWN_FROM,
    Name,
    Names,
    check_known_from,
    reading_options,
)
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from datetime import datetime

    from ingestion.asked_again import RepairReport
    from ingestion.coverage import Gap, StoredSummary
    from ingestion.known_from import KnownFrom
    from ingestion.sources.reading import Reading
    from pairity.settings import Settings

_SHOWN_GAPS = 16


@click.group(invoke_without_command=True)
@click.option("--venue", type=Name(VENUE), help="Whose raw data; by default that of features.venue.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--html", "as_page", is_flag=True, help="Write a page, coverage as a picture, and say where it is.")
@click.pass_context
@reports_errors
@prints_tables(json_too=False)
def data(context: click.Context, venue: str | None, as_json: bool, as_page: bool) -> None:
    """Show whether the data are all right, and what is stored: coverage, freshness, quarantine and size."""
    if context.invoked_subcommand is not None:
        return
    from datetime import UTC, datetime

    from ingestion.coverage import summarize
    from ingestion.data_page.page import write_data_page
    from ingestion.data_page.standing import judge_standing
    from ingestion.lake import Lake
    from pairity.layout import Layout
    from pairity_cli.tables import print_line
    from validation.quarantine import read_items

    settings = settings_from()
    now = datetime.now(UTC)
    waiting: dict[str, int] = {}
    for entry in read_items(Layout.of(settings), state="held"):
        waiting[entry.dataset] = waiting.get(entry.dataset, 0) + entry.rows
    if as_json:
        layout = Layout.of(settings)
        items = summarize(layout, Lake(layout, venue=venue or settings.features.venue), now)
        echo(
            json.dumps(
                [{**asdict(item), "quarantined_rows": waiting.get(item.name, 0)} for item in items],
                default=str,
                indent=1,
            )
        )
        return
    standing = judge_standing(settings, now, venue)
    print_line(standing.verdict)
    if as_page:
        echo(f"page: {write_data_page(settings, standing, now)}")
    else:
        _show(standing.summaries, waiting)


@data.command()
@reports_errors
def verify() -> None:
    """Read every raw file and compare it with its manifest."""
    from ingestion.lake import Lake
    from pairity.layout import Layout

    settings = settings_from()
    lake = Lake(Layout.of(settings), venue=settings.features.venue)
    echo(f"{lake.verify():,} partitions are what their manifests say; snapshot {lake.snapshot_id()}")


@click.command()
@click.option(
    "--datasets", type=Names(IDENTIFIER), metavar="A,B,…", help="Only these; by default all that lie on a grid."
)
@click.option("--assets", metavar="A,B,…", help="Only these of the universe.")
@click.option("--all", "everything", is_flag=True, help="Show all of them, not only as many as fit a screen.")
@click.option("--repair", is_flag=True, help="Ask for each of them again.")
@click.option("--venue", type=Name(VENUE), help="Whose raw data; by default that of features.venue.")
@click.option(
    "--since", metavar="INSTANT", help="Begin of the range; by default the first instant asked for or stored."
)
@click.option("--until", metavar="INSTANT", help="End of the range; by default the last one.")
@KNOWN_FROM
@ASKED_SOURCE
@ASKED_FOLDER
@reading_options
@EXCHANGE_URL
@CONTROL_URL
@reports_errors
@prints_tables()
def gaps(
    datasets: tuple[str, ...] | None,
    assets: str | None,
    everything: bool,
    repair: bool,
    venue: str | None,
    since: str | None,
    until: str | None,
    known_from: KnownFrom,
    source: str | None,
    folder: Path | None,
    time_zone: str | None,
    time_format: str | None,
    decimal: Literal["point", "comma"] | None,
    exchange_url: str | None,
    control_url: str | None,
) -> None:
    """Show missing bars: between an instrument's first and last, and at the ends of the range.

    Each was asked for and is not there, or was never asked for. With --repair each hole is asked for itself, of the
    source of the venue or of --source; rows of files need --source and --folder, and the options with which they were
    collected. What comes is known from now on, or by choice from then. Ends of the range are asked for, and count for
    the exit code, where --since or --until is given. Features of what came are computed. Exit code 4 where holes stay
    that were never asked for or not answered, or the repair failed.
    """
    from datetime import UTC, datetime

    from feature_repo.raw_datasets import DATASETS, find_dataset
    from ingestion.backfills import read_backfills
    from ingestion.coverage import find_edges, find_gaps
    from ingestion.lake import Lake
    from ingestion.listing_times import read_listing_times
    from ingestion.sources.reading import make_reading
    from pairity.layout import Layout
    from pairity.timeline import parse_instant
    from pairity.universe import select_instruments
    from pairity_cli.file_check import show_failures

    check_known_from(known_from, "--repair", given=repair)
    now = datetime.now(UTC)
    begin, end = (
        None if text is None else parse_instant(text, now=now, name=name)
        for text, name in ((since, "--since"), (until, "--until"))
    )
    settings = settings_from(exchange_url, control_url)
    reading = make_reading(time_zone, time_format, decimal)
    universe = settings.universe.assets
    names = select_instruments(assets.split(","), universe) if assets is not None else universe
    kinds = tuple(find_dataset(name).name for name in datasets) if datasets else tuple(DATASETS)
    layout = Layout.of(settings)
    lake = Lake(layout, venue=venue or settings.features.venue)
    if repair:
        _check_source(settings, source, folder, reading)
    if not layout.lake.exists():
        say_nothing_stored(settings, venue)
        return
    listed = read_listing_times(layout, lake.venue)

    def find() -> tuple[tuple[Gap, ...], tuple[Gap, ...]]:
        edges = find_edges(lake, names, kinds, begin, end, listed)
        return find_gaps(lake, names, kinds), edges

    between, edges = find()
    say_data_verdict(settings, venue)
    holes = (*between, *edges)
    _show_gaps(holes, len(holes) if everything else _SHOWN_GAPS)
    for asset, at in listed.items():
        if asset in names:
            echo(f"{asset}: not listed before {_time(at)}")
    for entry in read_backfills(layout, lake.venue):
        echo(str(entry))
    is_ranged = begin is not None or end is not None
    holes = (*between, *edges) if is_ranged else between
    failed = False
    if repair and holes:
        before = sum(gap.bars for gap in holes)
        report = run_async(_repair(settings, lake.venue, holes, source, folder, reading, known_from))
        failed = not report.ok
        show_failures(report.failures)
        for item in report.quarantined:
            echo(f"quarantined: {item.stage} {item.key}: {'; '.join(item.rules)}")
        between, edges = find()
        holes = (*between, *edges) if is_ranged else between
        left = sum(gap.bars for gap in holes)
        echo(
            f"{before - left:,} of {format_count(before, 'missing bar was', 'missing bars were')} filled; "
            f"{format_count(left, 'is', 'are')} still missing"
        )
    sys.exit(4 if failed or any(not gap.requested for gap in holes) else 0)


def _check_source(settings: Settings, name: str | None, folder: Path | None, reading: Reading | None) -> None:
    """Raise what is wrong with the source that was named, before the store is looked at."""
    from ingestion.lake.partitions import HOME_VENUE
    from ingestion.sources.catalog import open_source

    if name is not None and name != HOME_VENUE:
        open_source(name, settings, folder, None, reading)


async def _repair(
    settings: Settings,
    venue: str,
    holes: tuple[Gap, ...],
    name: str | None,
    folder: Path | None,
    reading: Reading | None,
    known_from: KnownFrom,
) -> RepairReport:
    from ingestion.asked_again import asking_again, repair_gaps
    from ingestion.lake.partitions import HOME_VENUE
    from ingestion.pipeline import publish_features
    from pairity_cli.console import ConsoleProgress
    from venue.clock import SystemClock, clock_for

    clock = await clock_for(settings.exchange) if venue == HOME_VENUE else SystemClock()
    async with asking_again(settings, venue, name, folder, reading) as source:
        with ConsoleProgress() as progress:
            report = await repair_gaps(settings, source, holes, clock.now(), progress, known_from=known_from)
            if report.new_rows and venue == settings.features.venue:
                publish_features(settings, clock.now(), clock.now(), progress)
    return report


def _show(items: tuple[StoredSummary, ...], waiting: dict[str, int]) -> None:
    from pairity.number_formats import format_percent, format_size
    from pairity_cli.tables import print_table

    if not items:
        if not waiting:
            echo(NOTHING_STORED)
        return
    rows = [
        (
            item.name,
            item.rows,
            item.last,
            item.age,
            format_percent(item.complete),
            waiting.get(item.name, 0),
            item.entities,
            item.first,
            item.corrections,
            item.kind,
            item.files,
            format_size(item.size_bytes),
        )
        for item in items
    ]
    columns = (
        "dataset",
        "rows",
        "last, UTC",
        "age",
        "complete",
        "withheld",
        "entities",
        "first",
        "corrections",
        "kind",
        "files",
        "size",
    )
    print_table(columns, rows)


def _show_gaps(holes: tuple[Gap, ...], most: int) -> None:
    from pairity_cli.tables import print_table

    if not holes:
        echo("no hole between any instrument's first and last bar, and none at the ends of the range")
        return
    rows = [
        (
            gap.dataset,
            gap.asset,
            gap.first,
            gap.until,
            gap.bars,
            _explain(gap),
        )
        for gap in holes[:most]
    ]
    print_table(("dataset", "asset", "from", "until", "bars", "what is known"), rows)
    if len(holes) > most:
        echo(f"… and {len(holes) - most:,} more: --all shows them")
    echo(f"{format_count(len(holes), 'hole')}, {format_count(sum(gap.bars for gap in holes), 'bar')}")


def _explain(gap: Gap) -> str:
    said = "asked for, not there or held back" if gap.requested else "never asked for, or not answered"
    return said if gap.edge is None else f"{said}; {gap.edge} its {'first' if gap.edge == 'before' else 'last'} bar"


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else f"{instant:%Y-%m-%d %H:%M}"
