"""Summary of a replay."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from pairity.number_formats import format_count, format_fixed
from pairity.timeline import DAY, HOUR, MINUTE
from pairity_cli.replay.run import ReplayReport
from pairity_cli.summaries import show_hour_costs
from pairity_cli.tables import print_heading, print_line, print_table
from training.backtest.trade_differences import Comparison
from training.books.replay_differences import BookComparison

MOST_SHOWN = 40
_MOST_PATHS = 12


def show_replay(report: ReplayReport) -> None:
    """Print what was traded, what differs from the backtest, the fingerprint, and where the time went."""
    plan, comparison, spent = report.plan, report.beside.comparison, report.spent
    print_heading("Replay")
    print_line(f"market: {report.market}")
    print_line(
        f"{format_count(plan.cycles, _name_bar(plan.interval))}, {plan.since:%Y-%m-%d %H:%M} to "
        f"{plan.until:%Y-%m-%d %H:%M} UTC, features {plan.features}"
    )
    if len(report.models) == 1:
        print_line(f"decided by {report.models[0][1]}")
    else:
        print_table(("from", "decided by"), report.models)
    actions = ", ".join(f"{count:,} {name}" for name, count in sorted(report.served.actions.items()))
    print_line(f"decisions: {actions}")
    for what, count in sorted(report.beside.unknown.items()):
        print_line(f"{what} not known of some pair at {count:,} decisions: nothing is opened on it then")
    problems = Counter(report.served.problems)
    for problem, count in problems.most_common(10):
        print_line(f"problem: {problem}" + (f" ({count:,} times)" if count > 1 else ""))
    print_heading("Beside the backtest")
    explained = Counter(one.explanation for one in comparison.differences if one.explanation is not None)
    print_line(
        f"{_count(comparison)}: {comparison.values:,} values compared, {len(comparison.unexplained):,} unexplained "
        f"differences, {sum(explained.values()):,} explained"
    )
    for reason, count in explained.most_common():
        print_line(f"{count:,} explained: {reason}")
    shown = comparison.unexplained[:MOST_SHOWN]
    if shown:
        rows = [(one.position_id, one.asset, one.what, one.backtest, one.replay) for one in shown]
        more = f", the first {MOST_SHOWN}" if len(comparison.unexplained) > MOST_SHOWN else ""
        first = "position" if isinstance(comparison, Comparison) else "decision"
        print_table((first, "asset", "what", "backtest", "replay"), rows, f"Unexplained differences{more}")
    print_line(f"fingerprint of the trades {report.beside.fingerprint}")
    print_heading("Time")
    parts = [(name, format_fixed(seconds, 1)) for name, seconds in spent.seconds.items()]
    parts += [
        (f"of trading: {spent.requests.total():,} requests to the exchange", format_fixed(spent.wire_s.total(), 1)),
        ("of trading: the exchange's processor", format_fixed(spent.exchange_cpu_s, 1)),
        ("of trading: the journal", format_fixed(report.served.journal_s, 1)),
    ]
    print_table(("part", "s"), parts)
    wire = [
        (name, f"{count:,}", format_fixed(spent.wire_s[name], 1))
        for name, count in spent.requests.most_common(_MOST_PATHS)
    ]
    if wire:
        print_table(("request", "number", "s until answered"), wire, "Requests to the exchange, the most frequent ones")
    show_hour_costs(report.served)
    rate = 60 * report.served.cycles / max(spent.seconds["trading"], 1e-9)
    print_line(f"{rate:,.0f} {_name_bar(plan.interval)}s per minute while trading")


def _count(comparison: Comparison | BookComparison) -> str:
    if isinstance(comparison, BookComparison):
        return f"{comparison.decisions:,} decisions, {comparison.executions:,} executions, equity and funding at each"
    return (
        f"{comparison.positions:,} positions, {comparison.legs:,} legs, {comparison.decisions:,} decisions, equity at "
        f"{comparison.equity_hours:,} hours"
    )


def _name_bar(interval: timedelta) -> str:
    return "hour" if interval == HOUR else "day" if interval == DAY else f"bar ({interval // MINUTE} min)"
