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
@click.option(
    "--job",
    is_flag=True,
    help="As the trading process does it every day: only decisions that no check has compared, with low priority.",
)
@reports_errors
@prints_tables()
def parity(since: str | None, until: str | None, everything: bool, job: bool) -> None:
    """Read every feature that was decided on again from the offline store, as known at that instant; compare bits.

    The exit code is 1 where a value differs. What differs is named with its cause, where that shows: a stale row, a
    lost correction, a value cast to 32 bits, one that is missing or that nobody knew yet.

    The verdict is kept. One with differences keeps promotions back, and lets the trading process open nothing where
    they are more than parity.most_different, until a later check is clean. With --job the exit code says only whether
    the check could be made.
    """
    from datetime import UTC, datetime

    from pairity.layout import Layout
    from pairity.timeline import parse_range
    from serving.parity import check_parity
    from serving.parity_verdicts import keep_verdict, make_verdict
    from training.books.present import measure_book

    if job:
        _check_as_job(limited=since is not None or until is not None or everything)
        return
    settings, now = settings_from(), datetime.now(UTC)
    first, last = parse_range(since, until, now=now)
    report = check_parity(settings, since=first, until=last, measure=measure_book)
    _show(report, everything=everything)
    echo(report.summary)
    verdict = make_verdict(report, "command", since=first)
    if verdict is not None:
        keep_verdict(Layout.of(settings), verdict)
    sys.exit(1 if report.mismatches else 0)


def _check_as_job(*, limited: bool) -> None:
    """Check what no check has compared yet; the last line of output is the verdict."""
    import os

    from pairity.errors import ConfigError
    from serving.parity_verdicts import check_new
    from training.books.present import measure_book

    if limited:
        raise ConfigError("--job checks what no check has compared yet", "give it without --since, --until and --all")
    settings = settings_from()
    os.nice(settings.parity.niceness)
    verdict = check_new(settings, "job", measure_book)
    echo("nothing was decided on since the last check" if verdict is None else verdict.explain())


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
