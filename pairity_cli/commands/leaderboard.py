"""`pairity leaderboard`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from pairity.names import IDENTIFIER
from pairity_cli.context import echo, reports_errors, say_pair_cost, settings_from
from pairity_cli.parameters import Names

if TYPE_CHECKING:
    from pairity.settings import Settings
    from training.evaluation.superiority import Superiority
    from training.leaderboard import Leaderboard

_COLUMNS = (
    ("net", "net_return"),
    ("gross", "gross_return"),
    ("Sharpe", "sharpe"),
    ("95 % from", "sharpe_low"),
    ("to", "sharpe_high"),
    ("max drawdown", "max_drawdown"),
    ("trades", "trades"),
    ("win rate", "win_rate"),
    ("turnover", "turnover"),
    ("break-even bps", "break_even_cost_bps"),
)


@click.command()
@click.option("--families", type=Names(IDENTIFIER), metavar="A,B,…", help="Only these; by default all.")
@click.option("--train-bars", type=click.IntRange(24), help="Hourly bars before the first test period.")
@click.option("--test-bars", type=click.IntRange(24), help="Hourly bars of each test period.")
@click.option(
    "--as-known-at", metavar="INSTANT", default="now", show_default=True, help="Use only what was known then."
)
@click.option("--whole", is_flag=True, help="Look at the hours too that the gate keeps back for its own last look.")
@reports_errors
def leaderboard(
    families: tuple[str, ...] | None, train_bars: int | None, test_bars: int | None, as_known_at: str, whole: bool
) -> None:
    """Compare all families walk-forward: same folds, same hours, same costs, beside BTC; logged to MLflow.

    Every test period is scored by models trained on what was known before it. `pairity report` draws the result.
    """
    from pairity.timeline import parse_instant
    from venue.clock import SystemClock

    chosen = {"train_bars": train_bars, "test_bars": test_bars}
    settings = settings_from(evaluation={name: value for name, value in chosen.items() if value is not None})
    say_pair_cost(settings)
    names = families
    now = parse_instant(as_known_at, now=SystemClock().now(), name="--as-known-at")
    compare(settings, now, names, spare=not whole)


def compare(settings: Settings, now: datetime, names: Sequence[str] | None = None, *, spare: bool = True) -> None:
    """Compare all families (or those named) with a progress bar, and print the result; `train` begins with it."""
    from pairity_cli.console import ConsoleProgress
    from training.leaderboard_job import run_leaderboard

    with ConsoleProgress() as progress:
        board, run_id = run_leaderboard(settings, now, progress, names, spare=spare)
    _show(board)
    echo(f"run {run_id}: `pairity report {run_id[:12]}` draws it, `make ui` compares it")


def _show(board: Leaderboard) -> None:
    from pairity_cli.tables import Cell, print_heading, print_line, print_table

    print_heading("Leaderboard")
    first, last = board.folds[0].blocks[0].first, board.folds[-1].blocks[0].last
    print_line(
        f"{len(board.folds)} test periods, {first:%Y-%m-%d} to {last:%Y-%m-%d}, each scored by models trained before it"
    )
    rows: list[tuple[Cell, ...]] = []
    for standing in board.standings:
        measured = [standing.contender.metrics[name] for _, name in _COLUMNS]
        quality = [standing.quality.get(name) for name in ("candidates_roc_auc", "forecast_rank_ic")]
        rows.append((standing.family, *measured, standing.deflated_sharpe, *quality))
    print_table(("family", *(title for title, _ in _COLUMNS), "deflated Sharpe", "AUC, candidates", "rank IC"), rows)
    earning = [s.family for s in board.standings if (s.contender.metrics["net_return"] or 0.0) > 0]
    print_line(f"earned money after costs: {', '.join(earning) or 'nothing'}")
    if board.overfitting is not None:
        chance, splits = board.overfitting.probability, board.overfitting.splits
        print_line(
            f"probability of backtest overfitting, choosing the best by Sharpe: {chance:.0%} over {splits:,} splits"
        )
    print_line(f"deflated by {board.trials}, all that were ever made")
    print_line(_say_superiority(board.superiority))
    for note in board.notes:
        print_line(f"note: {note}")


def _say_superiority(found: Superiority | None) -> str:
    if found is None:
        return "superior predictive ability: not known, the hours are too few"
    verdict = (
        "at least one earns more than nothing" if found.best <= 0.05 else "none is shown to earn more than nothing"
    )
    return f"superior predictive ability (Hansen) of {found.trials} trials: p = {found.best:.3f}, {verdict}"
