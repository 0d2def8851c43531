"""`pairity leaderboard`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from pairity.names import IDENTIFIER
from pairity_cli.context import echo, reports_errors, say_pair_cost, settings_from
from pairity_cli.parameters import Names
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from pairity.settings import Settings


@click.command()
@click.option(
    "--families", type=Names(IDENTIFIER), metavar="A,B,…", help="Only these, books among them; by default all."
)
@click.option("--train-bars", type=click.IntRange(24), help="Hourly bars before the first test period.")
@click.option("--test-bars", type=click.IntRange(24), help="Hourly bars of each test period.")
@click.option(
    "--as-known-at", metavar="INSTANT", default="now", show_default=True, help="Use only what was known then."
)
@click.option("--last", is_flag=True, help="Show the last one again, and compute nothing.")
@click.option("--whole", is_flag=True, help="Look at the hours too that the gate keeps back for its own last look.")
@reports_errors
@prints_tables()
def leaderboard(
    families: tuple[str, ...] | None,
    train_bars: int | None,
    test_bars: int | None,
    as_known_at: str,
    whole: bool,
    last: bool,
) -> None:
    """Compare all families walk-forward: same folds, same hours, same costs, beside BTC; logged to MLflow.

    Every test period is scored by models trained on what was known before it; books of many names are traded over the
    same hours. `pairity report` draws the result.
    """
    from pairity.errors import ConfigError
    from pairity.timeline import parse_instant
    from venue.clock import SystemClock

    if last:
        if families or train_bars or test_bars or whole or as_known_at != "now":
            raise ConfigError("--last computes nothing, but what to compute was given too", "leave one out")
        _show_last(settings_from())
        return
    chosen = {"train_bars": train_bars, "test_bars": test_bars}
    settings = settings_from(evaluation={name: value for name, value in chosen.items() if value is not None})
    say_pair_cost(settings)
    names = families
    now = parse_instant(as_known_at, now=SystemClock().now(), name="--as-known-at")
    compare(settings, now, names, spare=not whole)


def compare(settings: Settings, now: datetime, names: Sequence[str] | None = None, *, spare: bool = True) -> None:
    """Compare all families (or those named) with a progress bar, and print the result; `train` begins with it."""
    from pairity.layout import Layout
    from pairity_cli.console import ConsoleProgress
    from pairity_cli.leaderboard_page import keep_page, make_page, show_page
    from training.leaderboard_job import run_leaderboard

    with ConsoleProgress() as progress:
        board, run_id = run_leaderboard(settings, now, progress, names, spare=spare)
    page = make_page(board, run_id, now)
    keep_page(Layout.of(settings), page)
    show_page(page)
    _say_next(settings, run_id)


def _show_last(settings: Settings) -> None:
    from pairity.layout import Layout
    from pairity_cli.leaderboard_page import read_last_page, show_page

    page = read_last_page(Layout.of(settings))
    show_page(page)
    _say_next(settings, page.run_id)


def _say_next(settings: Settings, run_id: str) -> None:
    from pairity_cli.hints import write_command

    echo(f"run {run_id}; a page about it: {write_command(settings, 'report', run_id[:12])}")
    echo(f"compare runs: {write_command(settings, 'ui')}")
    echo(f"this table again: {write_command(settings, 'leaderboard', '--last')}")
