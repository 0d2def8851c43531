"""What a stage did, for people to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pairity.commands.tables import Cell, heading, line, seconds, table

if TYPE_CHECKING:
    from training.job import TrainReport

_BACKTEST_ROWS = (
    ("net return", "net_return"),
    ("gross return", "gross_return"),
    ("Sharpe (annualised)", "sharpe"),
    ("max drawdown", "max_drawdown"),
    ("trades", "trades"),
    ("win rate", "win_rate"),
    ("profit factor", "profit_factor"),
    ("exposure", "exposure"),
    ("average holding, h", "average_holding_h"),
    ("fees, USDT", "fees_usdt"),
    ("funding, USDT", "funding_usdt"),
    ("break-even cost, bps", "break_even_cost_bps"),
)


def show_training(report: TrainReport) -> None:
    """Split, label balance, scores, backtest beside baseline, and where the run lies."""
    heading("Training")
    line(f"snapshot {report.snapshot_id[:16]}…  ·  training set {report.training_digest[:16]}…")
    table(
        ("rows", "from", "to", "count", "positive"),
        [
            ("training", f"{report.train_start:%Y-%m-%d %H:%M}", f"{report.train_end:%Y-%m-%d %H:%M}",
             report.train_rows, _share(report.train_positives, report.train_rows)),
            ("purged (label reaches into the test)", "", "", report.purged_rows, ""),
            ("test", f"{report.test_start:%Y-%m-%d %H:%M}", f"{report.test_end:%Y-%m-%d %H:%M}",
             report.test_rows, _share(report.test_positives, report.test_rows)),
        ],
    )  # fmt: skip
    table(("out of sample", "value"), list(report.classification.items()), "Scores")
    names = list(report.backtests)
    rows: list[tuple[Cell, ...]] = [
        (label, *(report.backtests[name].get(key) for name in names)) for label, key in _BACKTEST_ROWS
    ]
    table(("backtest, after costs", *(report.contender_names.get(name, name) for name in names)), rows, "Backtest")
    for note in report.notes:
        line(f"note: {note}")
    line(f"model {report.model.name} version {report.model.version}, run {report.model.run_id}")
    line(seconds(report.stage_seconds))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"
