"""`pairity parity`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from serving.parity import ParityReport

_SHOWN_MISMATCHES = 20


@click.command()
@click.option("--since", metavar="INSTANT", help="Only decisions on bars that closed from then on: ISO time, or 7d.")
@click.option("--until", metavar="INSTANT", help="Only those of bars that closed before.")
@click.option("--all", "everything", is_flag=True, help="A line for each feature, also where nothing differs.")
@reports_errors
@prints_tables()
def parity(since: str | None, until: str | None, everything: bool) -> None:
    """Read every feature that was decided on again from the offline store, as known at that instant; compare bits.

    The exit code is 1 where a value differs. What differs is named with its cause, where that shows: a stale row, a
    lost correction, a value cast to 32 bits, one that is missing or that nobody knew yet.
    """
    from datetime import UTC, datetime

    from pairity.timeline import parse_instant
    from serving.parity import check_parity

    settings, now = settings_from(), datetime.now(UTC)
    report = check_parity(
        settings,
        since=parse_instant(since, now=now, name="--since") if since else None,
        until=parse_instant(until, now=now, name="--until") if until else None,
    )
    _show(report, everything=everything)
    echo(report.summary)
    sys.exit(1 if report.mismatches else 0)


def _show(report: ParityReport, *, everything: bool) -> None:
    from pairity_cli.tables import print_table

    shown = [one for one in report.features if everything or one.different]
    if shown:
        print_table(
            ("service", "feature", "compared", "differ", "missing", "extra", "of earlier bars", "oldest row"),
            [
                (
                    one.service,
                    one.feature,
                    one.compared,
                    one.different,
                    one.missing,
                    one.extra,
                    one.late,
                    one.oldest,
                )
                for one in shown
            ],
        )
    if report.mismatches:
        print_table(
            ("bar, UTC", "entity", "feature", "cause", "online", "offline"),
            [
                (one.bar, one.entity, one.feature, one.cause or "not looked for", repr(one.online), repr(one.offline))
                for one in report.mismatches[:_SHOWN_MISMATCHES]
            ],
            "Not what the offline store says",
        )
        if len(report.mismatches) > _SHOWN_MISMATCHES:
            echo(f"and {len(report.mismatches) - _SHOWN_MISMATCHES:,} more")
