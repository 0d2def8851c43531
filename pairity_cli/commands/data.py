"""`pairity data` and `pairity gaps`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pairity_cli.commands.context import CONTROL_URL, EXCHANGE_URL, reports_errors, run_async, settings_from

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from ingestion.coverage import Gap, Held
    from ingestion.report import IngestReport
    from pairity.settings import Settings

_SHOWN_GAPS = 40


@click.group(invoke_without_command=True)
@click.option("--venue", help="Whose raw data; by default that of features.venue.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
@reports_errors
def data(context: click.Context, venue: str | None, as_json: bool) -> None:
    """What is stored: coverage, freshness, quarantine and size per dataset and feature view."""
    if context.invoked_subcommand is not None:
        return
    from datetime import UTC, datetime

    from ingestion.coverage import held
    from ingestion.lake import Lake
    from pairity.layout import Layout
    from validation.quarantine import read_items

    settings = settings_from()
    layout = Layout.of(settings)
    items = held(layout, Lake(layout, venue=venue or settings.features.venue), datetime.now(UTC))
    waiting: dict[str, int] = {}
    for entry in read_items(layout, state="held"):
        waiting[entry.dataset] = waiting.get(entry.dataset, 0) + entry.rows
    if as_json:
        click.echo(json.dumps([{**asdict(item), "quarantined_rows": waiting.get(item.name, 0)} for item in items],
                              default=str, indent=1))  # fmt: skip
        return
    _show(items, waiting)


@data.command()
@reports_errors
def verify() -> None:
    """Read every raw file and compare it with its manifest."""
    from ingestion.lake import Lake
    from pairity.layout import Layout

    settings = settings_from()
    lake = Lake(Layout.of(settings), venue=settings.features.venue)
    click.echo(f"{lake.verify():,} partitions are what their manifests say; snapshot {lake.snapshot_id()}")


@click.command()
@click.option("--datasets", metavar="A,B,…", help="Only these; by default all that lie on a grid.")
@click.option("--assets", metavar="A,B,…", help="Only these of the universe.")
@click.option("--repair", is_flag=True, help="Ask the venue again for the ranges that hold them.")
@EXCHANGE_URL
@CONTROL_URL
@reports_errors
def gaps(
    datasets: str | None, assets: str | None, repair: bool, exchange_url: str | None, control_url: str | None
) -> None:
    """Bars that are missing between an instrument's first and last: asked for and not there, or never asked for.

    With --repair the range that holds them is asked for again; what the venue has now is known from now on. Exit code 4
    where holes stay that nobody was asked about, or the repair failed.
    """
    from feature_repo.raw_datasets import DATASETS, find_dataset
    from ingestion.coverage import gaps as find
    from ingestion.lake import Lake
    from pairity.layout import Layout
    from pairity.universe import select_instruments

    settings = settings_from(exchange_url, control_url)
    universe = settings.universe.assets
    names = select_instruments(assets.split(","), universe) if assets else universe
    kinds = tuple(find_dataset(name.strip()).name for name in datasets.split(",")) if datasets else tuple(DATASETS)
    lake = Lake(Layout.of(settings), venue=settings.features.venue)
    found = find(lake, names, kinds)
    _show_gaps(found)
    failed = False
    if repair and found:
        before = sum(gap.bars for gap in found)
        report = run_async(_repair(settings, found))
        failed = not report.ok
        for failure in report.failures:
            click.echo(f"failed: {failure.asset}: {failure.reason}")
        found = find(lake, names, kinds)
        left = sum(gap.bars for gap in found)
        click.echo(f"{before - left:,} of {before:,} missing bars were filled; {left:,} are still missing")
    sys.exit(4 if failed or any(not gap.asked for gap in found) else 0)


async def _repair(settings: Settings, found: tuple[Gap, ...]) -> IngestReport:
    from ingestion.pipeline import ingest
    from pairity_cli.commands.console import ConsoleProgress
    from venue.clock import clock_for

    clock = await clock_for(settings.exchange)
    since, until = min(gap.first for gap in found), max(gap.until for gap in found)
    assets = tuple(sorted({gap.asset for gap in found}))
    holed = {gap.dataset for gap in found}
    wanted = tuple(name for name in settings.ingest.datasets if name in holed)
    only = settings.model_copy(update={"ingest": settings.ingest.model_copy(update={"datasets": wanted})})
    with ConsoleProgress() as progress:
        return await ingest(only, since, until, clock=clock, instruments=assets, recheck=True, progress=progress)


def _show(items: tuple[Held, ...], waiting: dict[str, int]) -> None:
    from pairity_cli.commands.tables import table

    rows = [
        (item.name, item.kind, item.entities, item.rows, item.corrections, _time(item.first), _time(item.last),
         None if item.complete is None else f"{item.complete:.2%}", _age(item.age), waiting.get(item.name, 0),
         item.files, f"{item.size_bytes / 1e6:.1f} MB")
        for item in items
    ]  # fmt: skip
    columns = ("dataset", "kind", "entities", "rows", "corrections", "first", "last", "of the grid", "age",
               "quarantined rows", "files", "size")  # fmt: skip
    table(columns, rows)
    if not rows:
        click.echo("nothing is stored yet: run `pairity ingest`, or `pairity collect`")


def _show_gaps(found: tuple[Gap, ...]) -> None:
    from pairity_cli.commands.tables import table

    if not found:
        click.echo("no hole between any instrument's first and last bar")
        return
    rows = [
        (gap.dataset, gap.asset, _time(gap.first), _time(gap.until), gap.bars,
         "asked for, not there or held back" if gap.asked else "never asked for")
        for gap in found[:_SHOWN_GAPS]
    ]  # fmt: skip
    table(("dataset", "asset", "from", "until", "bars", ""), rows)
    if len(found) > _SHOWN_GAPS:
        click.echo(f"… and {len(found) - _SHOWN_GAPS:,} more")
    click.echo(f"{len(found):,} holes, {sum(gap.bars for gap in found):,} bars")


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else f"{instant:%Y-%m-%d %H:%M}"


def _age(age: timedelta | None) -> str | None:
    if age is None:
        return None
    hours = age.total_seconds() / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} d"
