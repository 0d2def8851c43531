"""What a stage did, for people to read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pairity_cli.commands.tables import Cell, heading, line, seconds, table

if TYPE_CHECKING:
    from ingestion.report import IngestReport
    from model_registry.records import Verdict
    from pairity.settings import Settings
    from serving.journal.records import Intent, PositionRecord
    from serving.loop import ServeReport
    from training.job import TrainReport

_BACKTEST_ROWS = (
    ("net return", "net_return"),
    ("gross return", "gross_return"),
    ("Sharpe (annualised)", "sharpe"),
    ("  95 % from", "sharpe_low"),
    ("  to", "sharpe_high"),
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
    candidates = report.classification_candidates
    table(
        ("out of sample", "all rows", "candidates (|z| above entry)"),
        [(name, value, candidates.get(name)) for name, value in report.classification.items()],
        "Scores (below the entry level the label is 0 by definition: the right column tells the skill)",
    )
    names = list(report.backtests)
    rows: list[tuple[Cell, ...]] = [
        (label, *(report.backtests[name].get(key) for name in names)) for label, key in _BACKTEST_ROWS
    ]
    table(("backtest, after costs", *(report.contender_names.get(name, name) for name in names)), rows, "Backtest")
    nets = [values["net_return"] or 0.0 for values in report.grid.metrics]
    chance = "not known" if report.overfitting is None else f"{report.overfitting:.0%}"
    line(f"grid of {len(nets)} settings: net return {min(nets):+.1%} to {max(nets):+.1%}, "
         f"probability that the best one is overfitted {chance}")  # fmt: skip
    for note in report.notes:
        line(f"note: {note}")
    line(f"model {report.model.name} version {report.model.version}, run {report.model.run_id}")
    show_verdict(report.outcome.verdict)
    line(f"{'champion' if report.outcome.promoted else 'not promoted'}: {report.outcome.reason}")
    line(seconds(report.stage_seconds))


def show_verdict(verdict: Verdict) -> None:
    """Every check of the gate: what was found, what was needed."""
    rows = [
        ("passed" if check.passed else "FAILED", check.name, check.actual, check.needed) for check in verdict.checks
    ]
    table(("", "check", "found", "needed"), rows, "Promotion gate")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def show_ingest(report: IngestReport) -> None:
    """Rows per instrument, checks, quarantine, features per view, what was left out and why."""
    heading("Ingestion")
    line(f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M}  ·  snapshot {report.snapshot_id[:16]}…")
    datasets = list(dict.fromkeys(item.dataset for item in report.raw))
    cells = {(item.asset, item.dataset): (item.rows, item.new_rows) for item in report.raw}
    rows: list[tuple[Cell, ...]] = [
        (asset, *(part for name in datasets for part in cells.get((asset, name), (0, 0))))
        for asset in dict.fromkeys(item.asset for item in report.raw)
    ]
    table(("asset", *(text for name in datasets for text in (name, "new"))), rows)
    line(f"checks passed {report.checks_passed:,}, failed {report.checks_failed:,}; quarantined "
         f"{len(report.quarantined)}")  # fmt: skip
    for item in report.quarantined:
        line(f"  quarantined {item.stage} {item.key}: {', '.join(item.rules)}")
    table(
        ("feature view", "new rows", "corrected", "unchanged", "written online"),
        [(v.view, v.new_rows, v.corrected_rows, v.unchanged_rows, v.online_rows) for v in report.views],
    )
    for pair in report.left_out:
        line(f"  left out {pair.pair_id}: {pair.reason}")
    for failure in report.failures:
        line(f"  failed {failure.asset}: {failure.reason}")
    line(seconds(report.stage_seconds))


def show_serving(settings: Settings, report: ServeReport) -> None:
    """Decisions, positions with their stops and how they ended, equity, problems."""
    from pairity.layout import Layout
    from serving.journal.journal import Journal

    journal = Journal.read(Layout.of(settings).journal)
    try:
        records = [*journal.closed_positions(), *journal.open_positions()]
        orders = {r.position.position_id: journal.intents(r.position.position_id) for r in records}
    finally:
        journal.close()
    heading("Trading")
    actions = ", ".join(f"{name} {count}" for name, count in report.actions.most_common())
    line(f"{report.cycles} bars: {actions or 'no decision'}")
    table(
        ("position", "side", "contracts", "entry", "stop", "target", "ended", "exit", "net USDT"),
        [_position_row(record) for record in records],
        "Positions",
    )
    table(
        ("order", "purpose", "instrument", "side", "contracts", "state", "price", "stop", "target"),
        [_order_row(intent) for record in records for intent in orders[record.position.position_id]],
        "Orders (pairity trace ORDER leads back to model and data)",
    )
    if report.first_equity is not None and report.last_equity is not None:
        line(f"equity {report.first_equity:,.2f} → {report.last_equity:,.2f} USDT")
    for problem, count in Counter(report.problems).most_common(10):
        line(f"  {count} × {problem}" if count > 1 else f"  {problem}")


def _position_row(record: PositionRecord) -> tuple[Cell, ...]:
    position, closing = record.position, record.closing
    leg = position.legs[0]
    ended: tuple[Cell, ...] = ("protected, open", None, None)
    if closing is not None:
        exit_price = None if closing.exit_price is None else str(closing.exit_price)
        ended = (closing.exit_reason, exit_price, None if closing.net_usdt is None else float(closing.net_usdt))
    return (position.position_id, f"{leg.side} {leg.asset}", str(leg.contracts), str(leg.entry_price),
            str(leg.stop_price), str(leg.target_price), *ended)  # fmt: skip


def _order_row(intent: Intent) -> tuple[Cell, ...]:
    prices = (intent.average_price, intent.stop_price, intent.target_price)
    return (intent.client_order_id, str(intent.purpose), intent.instrument, str(intent.side), str(intent.contracts),
            str(intent.state), *(None if price is None else str(price) for price in prices))  # fmt: skip
