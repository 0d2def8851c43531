"""`pairity train`."""

from __future__ import annotations

from typing import Any

import click

from pairity.names import IDENTIFIER
from pairity_cli.context import echo, reports_errors, say_pair_cost, settings_from
from pairity_cli.parameters import Name
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
    help="Then compare all families walk-forward (`pairity leaderboard`), which takes longer than training does.",
)
@click.option(
    "--family",
    type=Name(IDENTIFIER),
    help="What to train (the setting model.family): a family that gives every pair a probability.",
)
@reports_errors
@prints_tables()
def train(rows: str | None, as_known_at: str, with_families: bool, family: str | None) -> None:
    """Train the pair model on published features, backtest it beside the baseline, register it; compare all families.

    The gate decides whether it becomes champion; `pairity models` shows what it said.
    """
    from pairity.errors import MissingDataError
    from pairity.timeline import parse_instant
    from pairity_cli.commands.leaderboard import compare
    from pairity_cli.console import ConsoleProgress
    from pairity_cli.summaries import show_training
    from serving.parity import live_parity
    from training.job import train as run_training
    from venue.clock import SystemClock

    chosen: dict[str, Any] = {}
    if rows:
        chosen["label"] = {"rows": rows}
    if family:
        chosen["model"] = {"family": family}
    settings = settings_from(**chosen)
    say_pair_cost(settings)
    now = parse_instant(as_known_at, now=SystemClock().now(), name="--as-known-at")
    with ConsoleProgress() as progress:
        report = run_training(settings, progress, now=now, parity=live_parity(settings))
    show_training(report)
    if not with_families:
        return
    try:
        compare(settings, now)
    except MissingDataError as error:  # enough to train on, too little to walk forward: the model stands
        echo(f"no leaderboard: {error.what} (evaluation.train_bars, evaluation.test_bars)")
