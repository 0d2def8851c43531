"""`pairity quarantine`: what is held back, why, and what can be done about it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pairity.number_formats import format_count, format_number
from pairity_cli.context import (
    CONTROL_URL,
    EXCHANGE_URL,
    NOTHING_STORED,
    echo,
    reports_errors,
    run_async,
    settings_from,
)
from pairity_cli.data_verdict import say_data_verdict
from pairity_cli.parameters import ASKED_FOLDER, ASKED_SOURCE, KNOWN_FROM, Note, reading_options
from pairity_cli.references import QUARANTINED
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from ingestion.known_from import KnownFrom
    from ingestion.quarantine_actions import ActionOutcome
    from ingestion.sources.reading import Reading
    from pairity.settings import Settings
    from validation.quarantine import QuarantineItem

_SHOWN = 40


@click.group(invoke_without_command=True)
@click.pass_context
def quarantine(context: click.Context) -> None:
    """Rows that were not published: list them (as without a command), show why, release or repair them."""
    if context.invoked_subcommand is None:
        context.invoke(list_items, everything=False)


@quarantine.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what was released or repaired.")
@reports_errors
@prints_tables()
def list_items(everything: bool) -> None:
    """One row per item: id, dataset, partition, rules, rows, instants, age, path."""
    from pairity.layout import Layout
    from validation.quarantine import read_items

    settings = settings_from()
    layout = Layout.of(settings)
    items = read_items(layout, state=None if everything else "held")
    if not items and not layout.lake.exists():
        echo(NOTHING_STORED)
        return
    say_data_verdict(settings)
    _show_items(items)
    echo(f"{format_count(len(items), 'item')}, {format_count(sum(item.rows for item in items), 'row')}")


@quarantine.command()
@click.argument("id_", type=QUARANTINED, metavar="ID")
@reports_errors
@prints_tables()
def show(id_: str) -> None:
    """What the broken rules mean, how many rows broke them, the rows, and what was done about them."""
    import polars as pl

    from pairity.layout import Layout
    from pairity_cli.tables import print_table
    from validation.quarantine import find_item

    item = find_item(Layout.of(settings_from()), id_)
    _show_items([item])
    for rule in item.failed:
        echo(f"  {rule.rule} = {format_number(rule.observed)}: {rule.meaning}")
    for entry in item.journal:
        echo(f"  {entry.at:%Y-%m-%d %H:%M:%S} {entry.action}: {entry.reason}")
    rows = item.read_rows()
    lists = [name for name, kind in rows.schema.items() if kind == pl.List(pl.String)]
    shown = rows.head(_SHOWN).with_columns(pl.col(lists).list.join("+"))
    print_table([name.replace("_", " ") for name in shown.columns], shown.rows(), "Rows")
    if rows.height > _SHOWN:
        echo(f"and {rows.height - _SHOWN:,} more in {item.path / 'rows.parquet'}")


@quarantine.command()
@click.argument("id_", type=QUARANTINED, metavar="ID")
@click.option("--reason", type=Note(), required=True, help="Why the rows are right; it is recorded.")
@KNOWN_FROM
@reports_errors
def release(id_: str, reason: str, known_from: KnownFrom) -> None:
    """The rows are right: publish them, known from now on, and never hold them back for these rules again."""
    from ingestion import quarantine_actions

    done = quarantine_actions.release(settings_from(), id_, reason, now=datetime.now(UTC), known_from=known_from)
    _report(done)


@quarantine.command()
@click.argument("id_", type=QUARANTINED, metavar="ID")
@KNOWN_FROM
@ASKED_SOURCE
@ASKED_FOLDER
@reading_options
@EXCHANGE_URL
@CONTROL_URL
@reports_errors
def repair(
    id_: str,
    known_from: KnownFrom,
    source: str | None,
    folder: Path | None,
    time_zone: str | None,
    time_format: str | None,
    decimal: Literal["point", "comma"] | None,
    exchange_url: str | None,
    control_url: str | None,
) -> None:
    """Ask the source again for exactly these rows; the exit code is 4 while they are still wrong or missing.

    What comes is known from now on, or by choice from then.
    The source is the one of their venue, unless --source names it; rows of files need --source and --folder,
    and the options with which they were collected.
    """
    from ingestion.sources.reading import make_reading

    reading = make_reading(time_zone, time_format, decimal)
    settings = settings_from(exchange_url, control_url)
    _report(run_async(_repair(settings, id_, source, folder, reading, known_from)))


async def _repair(
    settings: Settings,
    id_: str,
    source: str | None,
    folder: Path | None,
    reading: Reading | None,
    known_from: KnownFrom,
) -> ActionOutcome:
    from ingestion import quarantine_actions
    from pairity.layout import Layout
    from validation.quarantine import find_item
    from venue.clock import SystemClock, clock_for

    is_traded = not find_item(Layout.of(settings), id_).venue
    clock = await clock_for(settings.exchange) if is_traded else SystemClock()
    return await quarantine_actions.repair(
        settings, id_, clock, source_name=source, folder=folder, reading=reading, known_from=known_from
    )


def _report(outcome: ActionOutcome) -> None:
    echo(f"{outcome.item.id} {outcome.item.state}: {outcome.message}")
    sys.exit(0 if outcome.closed else 4)


def _show_items(items: list[QuarantineItem]) -> None:
    from pairity_cli.tables import Cell, print_table

    now = datetime.now(UTC)
    rows: list[tuple[Cell, ...]] = [
        (
            item.id,
            item.dataset,
            item.key,
            item.rows,
            " + ".join(item.rules),
            item.state,
            item.first,
            item.last,
            now - item.at,
            str(item.path),
        )
        for item in items
    ]
    if rows:
        print_table(
            ("id", "dataset", "partition", "rows", "rules", "state", "first, UTC", "last, UTC", "age", "path"), rows
        )
