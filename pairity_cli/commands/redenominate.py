"""`pairity redenominate`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pairity.names import VENUE
from pairity.number_formats import format_plain
from pairity_cli.context import NOTHING_STORED, echo, is_empty, reports_errors, settings_from
from pairity_cli.parameters import KNOWN_FROM, AssetName, Name, Note
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from feature_repo.redenominations import Redenomination
    from ingestion.known_from import KnownFrom


@click.command()
@click.argument("asset", required=False, type=AssetName())
@click.option("--factor", type=float, metavar="F", help="Price after divided by price before; 1 withdraws one.")
@click.option("--from", "begins", metavar="INSTANT", help="First instant of the new unit.")
@click.option("--reason", type=Note(), help="Where it is announced; it is recorded.")
@click.option("--venue", type=Name(VENUE), help="Whose raw data; by default that of features.venue.")
@KNOWN_FROM
@reports_errors
@prints_tables()
def redenominate(
    asset: str | None,
    factor: float | None,
    begins: str | None,
    reason: str | None,
    venue: str | None,
    known_from: KnownFrom,
) -> None:
    """Say that a venue counts ASSET in other coins since a time; without ASSET, show what is stored.

    Prices before it are multiplied by the factor wherever raw rows are read, amounts in coins divided by it; the lake
    itself keeps what the venue gave. Rows that were withheld as a jump and are none any more are released. Exit code 4
    where some stay withheld.
    """
    from feature_repo.redenominations import Redenomination, read_redenominations
    from ingestion.redenominating import redenominate as store
    from pairity.layout import Layout
    from pairity.timeline import parse_instant

    settings = settings_from()
    of = venue or settings.features.venue
    if asset is None:
        if (factor, begins, reason) != (None, None, None):
            raise click.UsageError("give the ASSET that is meant, such as BTC")
        entries = read_redenominations(Layout.of(settings), of)
        if not entries and is_empty(settings):
            echo(NOTHING_STORED)
        else:
            _show(entries, of)
        return
    if factor is None or begins is None or reason is None:
        raise click.UsageError("give --factor, --from and --reason")
    now = datetime.now(UTC)
    at = parse_instant(begins, now=now, name="--from")
    done = store(settings, of, Redenomination(asset, at, factor, now, reason), known_from)
    said = "is stored" if done.is_new else "was stored already"
    echo(f"{asset} of {of}: {format_plain(factor)} from {at:%Y-%m-%d %H:%M} UTC on {said}")
    for outcome in done.released:
        echo(f"{outcome.item.id} {outcome.item.dataset} {outcome.item.key}: {outcome.message}")
    for item in done.kept:
        echo(f"{item.id} {item.dataset} {item.key} stays withheld: {', '.join(item.rules)}")
    if done.is_new:
        echo("`pairity ingest` or `pairity features` computes what depends on it")
    sys.exit(4 if done.kept else 0)


def _show(entries: tuple[Redenomination, ...], venue: str) -> None:
    from pairity_cli.tables import print_table

    if not entries:
        echo(f"no redenomination of venue {venue} is stored")
        return
    rows = [
        (
            item.asset,
            f"{item.at:%Y-%m-%d %H:%M}",
            format_plain(item.factor),
            f"{item.stored_at:%Y-%m-%d %H:%M}",
            item.reason,
        )
        for item in entries
    ]
    print_table(("asset", "from", "factor", "stored", "reason"), rows, f"Redenominations of {venue}")
