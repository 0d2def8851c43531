"""Summaries of what a stage did, for people to read."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from pairity.number_formats import format_exact, format_money
from pairity.universe import exact
from pairity_cli.tables import Cell, format_stage_seconds, print_heading, print_line, print_table

if TYPE_CHECKING:
    from ingestion.report import IngestReport
    from model_registry.records import Verdict
    from pairity.settings import Settings
    from serving.journal import Intent, PositionRecord
    from serving.report import ServeReport
    from training.train_report import TrainReport

MOST_LEFT_OUT = 40
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
    """Print split, label balance, scores, backtest beside baseline, the gate's verdict, and where the run lies."""
    print_heading("Training")
    print_line(f"snapshot {report.snapshot_id[:16]}…  ·  training set {report.training_digest[:16]}…")
    training_span = (f"{report.train_start:%Y-%m-%d %H:%M}", f"{report.train_end:%Y-%m-%d %H:%M}")
    test_span = (f"{report.test_start:%Y-%m-%d %H:%M}", f"{report.test_end:%Y-%m-%d %H:%M}")
    print_table(
        ("rows", "from", "to", "count", "positive"),
        [
            ("training", *training_span, report.train_rows, _format_share(report.train_positives, report.train_rows)),
            ("purged (label reaches into the test)", "", "", report.purged_rows, ""),
            ("kept back for the gate's last look", "", "", report.kept_back_rows, ""),
            ("test", *test_span, report.test_rows, _format_share(report.test_positives, report.test_rows)),
        ],
    )
    candidates = report.classification_candidates
    print_table(
        ("out of sample", "all rows", "candidates (|z| above entry)"),
        [(name, value, candidates.get(name)) for name, value in report.classification.items()],
        "Scores (below the entry level the label is 0 by definition: the right column tells the skill)",
    )
    names = list(report.backtests)
    rows: list[tuple[Cell, ...]] = [
        (label, *(_format_measure(key, report.backtests[name].get(key)) for name in names))
        for label, key in _BACKTEST_ROWS
    ]
    titles = [report.contender_names.get(name, name) for name in names]
    print_table(("backtest, after costs", *titles), rows, "Backtest")
    nets = [values["net_return"] or 0.0 for values in report.grid.metrics]
    chance = "not known" if report.overfitting is None else f"{report.overfitting:.0%}"
    print_line(
        f"grid of {len(nets)} settings: net return {min(nets):+.1%} to {max(nets):+.1%}, "
        f"probability that the best one is overfitted {chance}"
    )
    for note in report.notes:
        print_line(f"note: {note}")
    print_line(f"model {report.model.name} version {report.model.version}, run {report.model.run_id}")
    show_verdict(report.outcome.verdict)
    print_line(f"{'champion' if report.outcome.promoted else 'not promoted'}: {report.outcome.reason}")
    print_line(format_stage_seconds(report.stage_seconds))


def show_verdict(verdict: Verdict) -> None:
    """Print every check of the gate: the measured and the needed value."""
    rows = [
        ("passed" if check.passed else "FAILED", check.name, check.actual, check.needed) for check in verdict.checks
    ]
    print_table(("", "check", "found", "needed"), rows, "Promotion gate")


def _format_measure(key: str, value: float | None) -> Cell:
    return format_money(value) if key.endswith("_usdt") else value


def _format_share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def show_ingest(report: IngestReport) -> None:
    """Print rows per instrument, checks, quarantine, features per view, what was left out and why."""
    print_heading("Ingestion")
    span = f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M}"
    print_line(f"{span}  ·  snapshot {report.snapshot_id[:16]}…")
    datasets = list(dict.fromkeys(item.dataset for item in report.raw))
    cells = {(item.asset, item.dataset): (item.rows, item.new_rows) for item in report.raw}
    rows: list[tuple[Cell, ...]] = [
        (asset, *(part for name in datasets for part in cells.get((asset, name), (0, 0))))
        for asset in dict.fromkeys(item.asset for item in report.raw)
    ]
    print_table(("asset", *(text for name in datasets for text in (name, "new"))), rows)
    print_line(
        f"checks passed {report.checks_passed:,}, failed {report.checks_failed:,}; quarantined "
        f"{len(report.quarantined)}"
    )
    for item in report.quarantined:
        print_line(f"  quarantined {item.stage} {item.key}: {', '.join(item.rules)}")
    print_table(
        ("feature view", "new rows", "corrected", "unchanged", "written online"),
        [(v.view, v.new_rows, v.corrected_rows, v.unchanged_rows, v.online_rows) for v in report.views],
    )
    for pair in report.left_out[:MOST_LEFT_OUT]:
        print_line(f"  left out {pair.pair_id}: {pair.reason}")
    if len(report.left_out) > MOST_LEFT_OUT:
        print_line(f"  and {len(report.left_out) - MOST_LEFT_OUT:,} more pairs are left out")
    for failure in report.failures:
        print_line(f"  failed {failure.asset}: {failure.reason}")
    print_line(format_stage_seconds(report.stage_seconds))


def show_serving(settings: Settings, report: ServeReport) -> None:
    """Print decisions, positions with their stops and how they ended, equity, problems."""
    from pairity.layout import Layout
    from serving.journal import Journal

    path = Layout.of(settings).journal
    if not path.is_file():
        print_line("ended before trading began")
        return
    journal = Journal.read(path)
    try:
        records = [*journal.closed_positions(), *journal.open_positions()]
        orders = {r.position.position_id: journal.intents(r.position.position_id) for r in records}
    finally:
        journal.close()
    print_heading("Trading")
    actions = ", ".join(f"{name} {count}" for name, count in report.actions.most_common())
    print_line(f"{report.cycles} bars: {actions or 'no decision'}")
    print_table(
        ("position", "side", "contracts", "entry", "stop", "target", "ended", "exit", "net USDT"),
        [_make_position_row(record) for record in records],
        "Positions",
    )
    print_table(
        ("order", "purpose", "instrument", "side", "contracts", "state", "price", "stop", "target"),
        [_make_order_row(intent) for record in records for intent in orders[record.position.position_id]],
        "Orders (pairity trace ORDER leads back to model and data)",
    )
    if report.first_equity is not None and report.last_equity is not None:
        print_line(f"equity {report.first_equity:,.2f} → {report.last_equity:,.2f} USDT")
    for problem, count in Counter(report.problems).most_common(10):
        print_line(f"  {count} × {problem}" if count > 1 else f"  {problem}")


def show_hour_costs(report: ServeReport) -> None:
    """Print what one decision costs on average, by step: milliseconds of the wall clock and of the processor."""
    from serving.report import DECISION

    clocks = [
        {name: 1000 * seconds / max(report.cycles, 1) for name, seconds in clock.items()}
        for clock in (report.spent.seconds, report.spent.cpu_seconds)
    ]
    whole = [clock.pop(DECISION, 0.0) for clock in clocks]
    rows: list[tuple[Cell, ...]] = [(name, *(clock[name] for clock in clocks)) for name in clocks[0]]
    rows.append(
        ("between the steps", *(total - sum(clock.values()) for total, clock in zip(whole, clocks, strict=True)))
    )
    rows.append(("all", *whole))
    print_table(("step", "wall, ms", "processor, ms"), rows, "What an hour costs, per decision")


def _make_position_row(record: PositionRecord) -> tuple[Cell, ...]:
    position, close = record.position, record.close
    legs = position.legs
    ended: tuple[Cell, ...] = ("protected, open", None, None)
    if close is not None:
        ended = (close.exit_reason, format_exact(close.exit_price), format_money(close.net_usdt))
    columns = [(f"{x.side} {x.asset}", x.contracts, x.entry_price, x.stop_price, x.target_price) for x in legs]
    return (
        position.position_id,
        *(" + ".join(map(_format_leg, column)) for column in zip(*columns, strict=True)),
        *ended,
    )


def _format_leg(part: object) -> str:
    return (
        format_exact(exact(part) if isinstance(part, float) else part)
        if isinstance(part, Decimal | float)
        else str(part)
    )


def _make_order_row(intent: Intent) -> tuple[Cell, ...]:
    size = (str(intent.side), format_exact(intent.contracts), str(intent.state))
    texts = map(format_exact, (intent.average_price, intent.stop_price, intent.target_price))
    return (intent.client_order_id, str(intent.purpose), intent.instrument, *size, *texts)
