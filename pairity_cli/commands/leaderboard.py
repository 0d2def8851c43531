"""`pairity leaderboard`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from pairity_cli.commands.context import reports_errors, settings_from

if TYPE_CHECKING:
    from pairity.settings import Settings
    from training.leaderboard import Leaderboard

_COLUMNS = (
    ("net", "net_return"), ("gross", "gross_return"), ("Sharpe", "sharpe"), ("95 % from", "sharpe_low"),
    ("to", "sharpe_high"), ("max drawdown", "max_drawdown"), ("trades", "trades"), ("win rate", "win_rate"),
    ("turnover", "turnover"), ("break-even bps", "break_even_cost_bps"),
)  # fmt: skip


@click.command()
@click.option("--families", metavar="A,B,…", help="Only these; by default all.")
@click.option("--train-bars", type=click.IntRange(24), help="Hourly bars before the first test period.")
@click.option("--test-bars", type=click.IntRange(24), help="Hourly bars of each test period.")
@click.option(
    "--as-known-at", metavar="INSTANT", default="now", show_default=True, help="Use only what was known then."
)
@reports_errors
def leaderboard(families: str | None, train_bars: int | None, test_bars: int | None, as_known_at: str) -> None:
    """Compare all families walk-forward: same folds, same hours, same costs, beside BTC; logged to MLflow.

    Every test period is scored by models trained on what was known before it. `pairity report` draws the result.
    """
    from pairity.timeline import SystemClock, parse_instant

    chosen = {"train_bars": train_bars, "test_bars": test_bars}
    settings = settings_from(evaluation={name: value for name, value in chosen.items() if value is not None})
    names = [name.strip() for name in families.split(",")] if families else None
    now = parse_instant(as_known_at, now=SystemClock().now(), name="--as-known-at")
    compare(settings, now, names)


def compare(settings: Settings, now: datetime, names: Sequence[str] | None = None) -> None:
    """Walk all families (or those named) forward, log the comparison, and print it."""
    from pairity.layout import Layout
    from pairity_cli.commands.console import ConsoleProgress
    from training.data.history import store_join
    from training.leaderboard import compare_families
    from training.models.families import FAMILIES, family
    from training.reports import leaderboard_files, leaderboard_runs
    from training.trials import read_trial_sharpes

    wanted = [family(name) for name in names or FAMILIES]
    with ConsoleProgress() as progress:
        earlier = read_trial_sharpes(Layout.of(settings))
        board = compare_families(settings, wanted, store_join(settings), now, progress, earlier)
        progress.stage("write and log", 1)
        leaderboard_files.write(settings, board)
        run_id = leaderboard_runs.record(settings, board)
    _show(board)
    click.echo(f"run {run_id}: `pairity report {run_id[:12]}` draws it, `make ui` compares it")


def _show(board: Leaderboard) -> None:
    from pairity_cli.commands.tables import Cell, heading, line, table

    heading("Leaderboard")
    first, last = board.folds[0].blocks[0].first, board.folds[-1].blocks[0].last
    line(
        f"{len(board.folds)} test periods, {first:%Y-%m-%d} to {last:%Y-%m-%d}, each scored by models trained before it"
    )
    rows: list[tuple[Cell, ...]] = [
        (s.family, *(s.contender.metrics[name] for _, name in _COLUMNS), s.deflated_sharpe,
         s.quality.get("candidates_roc_auc"), s.quality.get("forecast_rank_ic"))
        for s in board.standings
    ]  # fmt: skip
    table(("family", *(title for title, _ in _COLUMNS), "deflated Sharpe", "AUC, candidates", "rank IC"), rows)
    earning = [s.family for s in board.standings if (s.contender.metrics["net_return"] or 0.0) > 0]
    line(f"earned money after costs: {', '.join(earning) or 'nothing'}")
    if board.overfitting is not None:
        line(f"probability of backtest overfitting, choosing the best by Sharpe: {board.overfitting.probability:.0%} "
             f"over {board.overfitting.splits:,} splits; {board.trials} trials so far")  # fmt: skip
    for note in board.notes:
        line(f"note: {note}")
