"""Summaries of what a stage did, for people to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pairity.measures import explain_span, make_rows
from pairity.number_formats import Figure, format_count, format_exact, format_fixed, format_money, format_percent
from pairity.universe import exact
from pairity_cli.hints import write_command
from pairity_cli.prices import Ticks
from pairity_cli.tables import Cell, Mark, format_stage_seconds, print_heading, print_line, print_table

if TYPE_CHECKING:
    from polars import DataFrame

    from ingestion.report import IngestReport
    from model_registry.records import ModelRef, Verdict
    from pairity.settings import Settings
    from serving.journal import Intent, PositionRecord
    from serving.report import ServeReport
    from training.promotion.promotion import GateOutcome
    from training.train_report import TrainReport

MOST_LEFT_OUT, MOST_DRIFTED = 40, 5
BACKTEST_KEYS = (
    "net_return",
    "gross_return",
    "arithmetic_return",
    "sharpe",
    "sharpe_low",
    "sharpe_high",
    "sharpe_long_run",
    "sharpe_geometric",
    "max_drawdown",
    "trades",
    "win_rate",
    "profit_factor",
    "exposure",
    "average_holding_h",
    "fees_usdt",
    "funding_usdt",
    "break_even_cost_bps",
)
_SCORES = {"base_rate", "accuracy", "precision", "recall", "f1"}
"""Shares of rows: in percent."""


def show_training(report: TrainReport) -> None:
    """Print split, label balance, scores, backtest beside baseline, the gate's verdict, and where the run lies."""
    from training.evaluation.verdicts import judge_sharpe, state_findings

    print_heading("Training")
    print_line(f"snapshot {report.snapshot_id[:16]}…  ·  training set {report.training_digest[:16]}…")
    training_span, test_span = (report.train_start, report.train_end), (report.test_start, report.test_end)
    print_table(
        ("rows", "from", "to", "count", "positive"),
        [
            ("training", *training_span, report.train_rows, _format_share(report.train_positives, report.train_rows)),
            ("purged (label reaches into the test)", None, None, report.purged_rows, None),
            ("kept back for the gate's last look", None, None, report.kept_back_rows, None),
            ("test", *test_span, report.test_rows, _format_share(report.test_positives, report.test_rows)),
        ],
    )
    if report.effective_pairs is not None:
        print_line(f"the pairs move together: they are worth {report.effective_pairs:.1f} that move on their own")
    candidates = report.classification_candidates
    print_table(
        ("out of sample", "all rows", "candidates (|z| above entry)"),
        [
            (name.replace("_", " "), _format_score(name, value), _format_score(name, candidates.get(name)))
            for name, value in report.classification.items()
        ],
        "Scores (below the entry level the label is 0 by definition: the right column tells the skill)",
    )
    names = list(report.backtests)
    span = report.test_end - report.test_start
    rows = make_rows([report.backtests[name] for name in names], span, BACKTEST_KEYS)
    titles = [report.contender_names.get(name, name) for name in names]
    print_table(("backtest, after costs", *titles), rows, "Backtest")
    if (too_short := explain_span(span)) is not None:
        print_line(f"note: {too_short}")
    for name in names[1:] if too_short is None else ():
        print_line(describe_difference(report.differences, name, report.contender_names.get(name, name)))
    for line in state_findings({titles[0]: judge_sharpe(report.backtests[names[0]], span)}):
        print_line(line)
    print_line(describe_grid([values["net_return"] or 0.0 for values in report.grid.metrics], report.overfitting))
    print_line(_describe_drift(report.drift))
    for note in report.notes:
        print_line(f"note: {note}")
    show_outcome(report.model, report.outcome)
    print_line(format_stage_seconds(report.stage_seconds))


def show_outcome(model: ModelRef, outcome: GateOutcome) -> None:
    """Print which version came of a training, what the gate said of it, and whether it is champion now."""
    print_line(f"model {model.name} version {model.version}, run {model.run_id}")
    show_verdict(outcome.verdict)
    print_line(f"{'champion' if outcome.promoted else 'not promoted'}: {outcome.reason}")
    if outcome.trial is not None:
        print_line(f"warning: {outcome.trial}")


def show_verdict(verdict: Verdict) -> None:
    """Print every check of the gate: the measured and the needed value."""
    rows = [
        (Mark.PASSED if check.passed else Mark.FAILED, check.name, check.actual, check.needed)
        for check in verdict.checks
    ]
    print_table(("verdict", "check", "found", "needed"), rows, "Promotion gate")


def describe_grid(nets: Sequence[float], overfitting: float | None) -> str:
    """Return in one line what the settings of a grid came to, and how often the best of one half stays good."""
    low, high = (str(format_percent(net, signed=True)) for net in (min(nets), max(nets)))
    said = f"grid of {format_count(len(nets), 'setting')}, over the hours before the last look: net return {low}"
    if low == high:
        return f"{said} with each of them: none can be called the best"
    if overfitting is None:
        return f"{said} to {high}"
    return (
        f"{said} to {high}; the best in one half of the hours is not above the median in the other in "
        f"{overfitting:.0%} of the splits"
    )


def describe_difference(differences: Mapping[str, float | None], key: str, title: str) -> str:
    """Return in one line how far the model's Sharpe ratio is above another contender's, and how surely."""
    ends = (f"model_sharpe_over_{key}{end}" for end in ("", "_low", "_high"))
    value, low, high = (differences.get(name) for name in ends)
    if value is None or low is None or high is None:
        return f"Sharpe ratio less that of {title}: not known"
    return f"Sharpe ratio less that of {title}: {value:+.2f}, 95% from {low:+.2f} to {high:+.2f}"


def _describe_drift(table: DataFrame) -> str:
    """Return in one line which features of the test period left the range that training rows reach by chance."""
    beyond = [name for name, passed in table.select("feature", "beyond").iter_rows() if passed]
    named = ", ".join(beyond[:MOST_DRIFTED]) + (", …" if len(beyond) > MOST_DRIFTED else "")
    return f"drift: {len(beyond)} of {table.height} beyond their limits{f' ({named})' if beyond else ''}, see drift.csv"


def _format_score(name: str, value: float | None) -> Cell:
    if name in _SCORES:
        return format_percent(value)
    return format_fixed(value, 0) if name == "rows" else format_fixed(value, 4)


def _format_share(part: int, whole: int) -> Cell:
    return format_percent(part / whole if whole else None)


def show_ingest(report: IngestReport) -> None:
    """Print rows per instrument, checks, quarantine, features per view, what was left out and why."""
    print_heading("Ingestion")
    span = f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC"
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
        print_line(
            "  and "
            f"{format_count(len(report.left_out) - MOST_LEFT_OUT, 'more pair is left out', 'more pairs are left out')}"
        )
    for failure in report.failures:
        print_line(f"  failed {failure.asset}: {failure.reason}")
    print_line(format_stage_seconds(report.stage_seconds))


def show_serving(settings: Settings, report: ServeReport) -> None:
    """Print decisions, positions with their stops and how they ended, equity, problems."""
    from pairity.layout import Layout
    from pairity.timeline import format_instant
    from pairity_cli.book_table import show_book
    from serving.journal import Journal
    from serving.journal.opened import is_there

    path = Layout.of(settings).journal_place
    if not is_there(path):
        print_line("ended before trading began")
        return
    journal = Journal.read(path)
    try:
        records = [*journal.closed_positions(), *journal.open_positions()]
        orders = {r.position.position_id: journal.intents(r.position.position_id) for r in records}
        book, held = journal.books.newest(), journal.books.count_held()
    finally:
        journal.close()
    ticks = Ticks.read(Layout.of(settings))
    print_heading("Trading")
    actions = ", ".join(f"{name} {count}" for name, count in report.actions.most_common())
    print_line(f"{format_count(report.cycles, 'bar')}: {actions or 'no decision'}")
    if book is not None:
        print_line(f"{format_count(len(held), 'name')} held; the last decision, of {format_instant(book.close)}:")
        show_book(book)
    if records or book is None:
        print_table(
            ("position", "side", "contracts", "net, USDT", "entry", "stop", "target", "exit", "ended"),
            [_make_position_row(record, ticks) for record in records],
            "Positions",
        )
        print_table(
            ("order", "purpose", "instrument", "side", "contracts", "state", "price", "stop", "target"),
            [_make_order_row(intent, ticks) for record in records for intent in orders[record.position.position_id]],
            "Orders",
        )
    if records:
        print_line(f"from the newest order back to model and data: {write_command(settings, 'trace', 'latest')}")
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
    steps: dict[str, list[float]] = {name: [clock[name] for clock in clocks] for name in clocks[0]}
    steps["between the steps"] = [total - sum(clock.values()) for total, clock in zip(whole, clocks, strict=True)]
    steps["all"] = whole
    rows = [(name, *(format_fixed(value, 1) for value in values)) for name, values in steps.items()]
    print_table(("step", "wall, ms", "processor, ms"), rows, "What an hour costs, per decision")


def _make_position_row(record: PositionRecord, ticks: Ticks) -> tuple[Cell, ...]:
    position, close = record.position, record.close
    legs = position.legs
    prices = [
        _join([ticks.write(leg.asset, price) for leg, price in zip(legs, column, strict=True)])
        for column in zip(*((leg.entry_price, leg.stop_price, leg.target_price) for leg in legs), strict=True)
    ]
    return (
        position.position_id,
        _join([f"{leg.side} {leg.asset}" for leg in legs]),
        _join(
            [format_exact(exact(leg.contracts) if isinstance(leg.contracts, float) else leg.contracts) for leg in legs]
        ),
        None if close is None else format_money(close.net_usdt),
        *prices,
        None if close is None else ticks.write(legs[0].asset, close.exit_price),
        "protected, open" if close is None else close.exit_reason,
    )


def _join(texts: list[Figure] | list[str]) -> str:
    """Return the cell of all legs: a number stays one where there is one leg alone."""
    return texts[0] if len(texts) == 1 else " + ".join(texts)


def _make_order_row(intent: Intent, ticks: Ticks) -> tuple[Cell, ...]:
    prices = (intent.average_price, intent.stop_price, intent.target_price)
    return (
        intent.client_order_id,
        str(intent.purpose),
        intent.instrument,
        str(intent.side),
        format_exact(intent.contracts),
        str(intent.state),
        *(ticks.write(intent.instrument, price) for price in prices),
    )
