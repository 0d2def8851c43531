"""Summary of a training of a book, for people to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pairity.measures import explain_span, make_rows
from pairity.number_formats import format_count, format_fixed, format_percent
from pairity_cli.summaries import BACKTEST_KEYS, describe_difference, show_outcome
from pairity_cli.tables import format_stage_seconds, print_heading, print_line, print_table

if TYPE_CHECKING:
    from training.books.train_report import BookTrainReport


def show_book_training(report: BookTrainReport) -> None:
    """Print the book's backtest beside its nulls, years, costs, the gate's verdict, and where the run lies."""
    from training.evaluation.verdicts import judge_sharpe, state_findings

    print_heading(f"Book: {report.family}")
    print_line(f"snapshot {report.snapshot_id[:16]}…  ·  market {report.market_digest[:16]}…")
    looked = (
        "the kept-back hours among them"
        if not report.kept_back_hours
        else f"{format_count(report.kept_back_hours, 'hour')} after them kept back for the gate's last look"
    )
    fitted = (
        "nothing is fitted"
        if report.fitted_at is None
        else f"registered as fitted at {report.fitted_at:%Y-%m-%d %H:%M} UTC, judged walk-forward"
    )
    print_line(
        f"{fitted}; traded from {report.test_start:%Y-%m-%d %H:%M} to {report.test_end:%Y-%m-%d %H:%M} UTC, {looked}"
    )
    names = list(report.backtests)
    span = report.test_end - report.test_start
    titles = [report.contender_names.get(name, name) for name in names]
    rows = make_rows([report.backtests[name] for name in names], span, BACKTEST_KEYS)
    print_table(("backtest, after costs", *titles), rows, "Backtest")
    if (too_short := explain_span(span)) is not None:
        print_line(f"note: {too_short}")
    for name in names[1:] if too_short is None else ():
        print_line(describe_difference(report.differences, name, report.contender_names.get(name, name)))
    for line in state_findings({titles[0]: judge_sharpe(report.backtests[names[0]], span)}):
        print_line(line)
    for line in _list_evidence(report, annual=too_short is None):
        print_line(line)
    for note in report.notes:
        print_line(f"note: {note}")
    show_outcome(report.model, report.outcome)
    print_line(format_stage_seconds(report.stage_seconds))


def _list_evidence(report: BookTrainReport, *, annual: bool) -> list[str]:
    """Return what a book alone is asked: how sure its ratio is, by year, at other costs, registered before or not."""
    lines = []
    if (certainty := report.certainty) is not None and annual:
        needed = "no time" if certainty.years_needed is None else f"{certainty.years_needed:.1f} years"
        lines.append(
            f"Sharpe ratio {certainty.sharpe:+.2f} ± {certainty.error:.2f}; {needed} would tell it from 0 (t = 1.64)"
        )
    years = ", ".join(f"{year} {format_percent(net, signed=True)}" for year, net, _ in report.years)
    lines.append(f"net return by year: {years}")
    for one in report.costs:
        ratio = one.metrics["sharpe"]
        said = "" if ratio is None else f", Sharpe ratio {format_fixed(ratio)}"
        lines.append(f"{one.name}: net return {format_percent(one.metrics['net_return'], signed=True)}{said}")
    registered = (
        "was never registered before a look (pairity registrations add)"
        if report.registration is None
        else f"is registered as {report.registration}"
    )
    lines.append(f"the family {registered}")
    return lines
