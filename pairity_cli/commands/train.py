"""`pairity train`."""

from __future__ import annotations

from typing import Any

import click

from pairity.names import IDENTIFIER
from pairity_cli.context import echo, reports_errors, say_pair_cost, settings_from
from pairity_cli.parameters import Names, Note
from pairity_cli.table_output import prints_tables


@click.command()
@click.option("--rows", type=click.Choice(["all", "candidates"]), help="Train on every hour, or on |z| > z_entry only.")
@click.option(
    "--as-known-at",
    metavar="INSTANT",
    default="now",
    show_default=True,
    help="Use only what was known then (ISO time, or an age such as 7d): later corrections change nothing.",
)
@click.option(
    "--compare/--no-compare",
    "with_families",
    default=True,
    show_default=True,
    help="First compare all families walk-forward (`pairity leaderboard`), which takes longer than training does.",
)
@click.option(
    "--family",
    "families",
    type=Names(IDENTIFIER),
    metavar="A,B,…",
    help="What to train (default: the setting model.families, or model.family): families that give every pair a "
    "probability, and books. They are judged in this order.",
)
@click.option(
    "--reason",
    type=Note(),
    help="Why the hours that were kept back may be judged although somebody has looked at them; it is recorded.",
)
@reports_errors
@prints_tables()
def train(
    rows: str | None, as_known_at: str, with_families: bool, families: tuple[str, ...] | None, reason: str | None
) -> None:
    """Compare all families, train the configured ones, backtest each beside its nulls, register it.

    The comparison comes first: what it tried counts when the gate judges. The gate decides whether a model of pairs or
    a book becomes champion; `pairity models` shows what it said.
    """
    from pairity.errors import MissingDataError
    from pairity.timeline import parse_instant
    from pairity_cli.book_training import show_book_training
    from pairity_cli.commands.leaderboard import compare
    from pairity_cli.console import ConsoleProgress
    from pairity_cli.summaries import show_training
    from serving.parity_verdicts import live_parity
    from training.books.present import measure_book
    from training.books.train_report import BookTrainReport
    from training.family_job import choose_families, train_families
    from venue.clock import SystemClock

    chosen: dict[str, Any] = {}
    if rows:
        chosen["label"] = {"rows": rows}
    if families:
        chosen["model"] = {"families": families}
    settings = settings_from(**chosen)
    choose_families(settings)  # what cannot be traded is refused before the comparison, which takes long
    say_pair_cost(settings)
    now = parse_instant(as_known_at, now=SystemClock().now(), name="--as-known-at")
    if with_families:
        try:
            compare(settings, now)
        except MissingDataError as error:  # too little to walk forward, and perhaps enough to train on
            echo(f"no leaderboard: {error.what} (evaluation.train_bars, evaluation.test_bars)")
    with ConsoleProgress() as progress:
        reports = train_families(settings, progress, now=now, parity=live_parity(settings, measure_book), reason=reason)
    for report in reports:
        if isinstance(report, BookTrainReport):
            show_book_training(report)
        else:
            show_training(report)
