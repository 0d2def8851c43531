"""`pairity lookahead`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pairity.names import IDENTIFIER, MONTH
from pairity.number_formats import format_count
from pairity_cli.context import echo, reports_errors, require_data, say_pair_cost, settings_from
from pairity_cli.parameters import Name, Names
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from datetime import datetime

    from validation.lookahead import LookaheadReport

_SHOWN_LEAKS = 20


@click.command()
@click.option(
    "--month",
    type=Name(MONTH),
    metavar="YYYY-MM",
    help="The chunk to recompute; by default the newest month with candles.",
)
@click.option("--samples", type=click.IntRange(1, 200), default=6, show_default=True, help="Sampled instants.")
@click.option(
    "--views",
    type=Names(IDENTIFIER),
    metavar="A,B,…",
    help="Only these views (and what they are computed from); default all.",
)
@reports_errors
@prints_tables()
def lookahead(month: str | None, samples: int, views: tuple[str, ...] | None) -> None:
    """Prove that no feature looks ahead: recompute every column of every view without, and with other, later data.

    At each sampled instant the month is computed again from data truncated there, from data whose future holds other
    values, and from what was known then; all earlier rows must come out with identical bits. Exit code 1 on a leak.
    """
    from feature_repo.catalog import VIEWS
    from feature_repo.catalog import find_view as declared
    from ingestion.lookahead_proof import prove_month
    from pairity_cli.console import ConsoleProgress

    settings = settings_from()
    say_pair_cost(settings)
    names = tuple(declared(name).name for name in views) if views else tuple(VIEWS)
    first = _parse_month(month) if month else None
    require_data(settings)
    with ConsoleProgress() as progress:
        report = prove_month(settings, first, samples, names, progress)
    _show(report)
    sys.exit(1 if report.leaks else 0)


def _parse_month(text: str) -> datetime:
    from datetime import UTC, datetime

    from pairity.errors import TimeRangeError

    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise TimeRangeError(f"--month {text!r} is no month", "write it as YYYY-MM, e.g. 2025-04") from None


def _show(report: LookaheadReport) -> None:
    from pairity_cli.tables import print_table

    views = sorted({proof.view for proof in report.columns})
    rows = []
    for name in views:
        own = [proof for proof in report.columns if proof.view == name]
        compared, known = sum(proof.values for proof in own), sum(proof.measured for proof in own)
        rows.append((name, len(own), compared, known, sum(proof.leaks > 0 for proof in own)))
    print_table(("view", "columns", "values compared", "not null", "columns that leak"), rows)
    for leak in report.leaks[:_SHOWN_LEAKS]:
        echo(
            f"LEAK {leak.view}.{leak.column} ({leak.world} at {leak.instant:%Y-%m-%d %H:%M} UTC): {leak.entity} at "
            f"{leak.event:%Y-%m-%d %H:%M} UTC is {leak.expected!r} with the future and {leak.actual!r} without; "
            f"{format_count(leak.rows, 'row')}"
        )
    for name in views:
        empty = [proof.column for proof in report.unproven if proof.view == name]
        if empty:
            echo(f"{name}: no value to compare in {', '.join(empty)}")
    instants = len(report.instants)
    verdict = f"{len(report.leaks):,} LEAKS" if report.leaks else "no value depends on what came later"
    echo(f"{format_count(instants, 'instant')}, truncated, poisoned, as known then and as computed live: {verdict}")
