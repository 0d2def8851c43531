"""`pairity books`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity.names import IDENTIFIER
from pairity.number_formats import format_fixed, format_percent
from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.parameters import Name
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from pairity_cli.tables import Cell
    from training.books.study import BookEvidence, BooksReport

_MEASURES = (
    "net_return",
    "sharpe",
    "max_drawdown",
    "turnover",
    "fees_usdt",
    "slippage_usdt",
    "funding_usdt",
    "exposure",
)

_BRIEF = ("net_return", "sharpe", "max_drawdown")


@click.command()
@click.option("--family", "families", multiple=True, type=Name(IDENTIFIER), help="Only this family; may be repeated.")
@click.option("--since", metavar="INSTANT", help="First bar close; by default the first at which a universe exists.")
@click.option("--until", metavar="INSTANT", help="Last bar close (included); by default the newest.")
@click.option("--in-depth", is_flag=True, help="Leave every name out once, too: as many backtests as there are names.")
@click.option(
    "--limit-first",
    is_flag=True,
    help="Fill by limit orders where the next bar trades through the close before it, else at its end.",
)
@click.option("--whole", is_flag=True, help="Look at the hours too that are registered for a last look.")
@click.option(
    "--as-known-at", metavar="INSTANT", default="now", show_default=True, help="Use only what was known then."
)
@reports_errors
@prints_tables()
def books(
    families: tuple[str, ...],
    since: str | None,
    until: str | None,
    in_depth: bool,
    limit_first: bool,
    whole: bool,
    as_known_at: str,
) -> None:
    """Books of many names, long against short, netted: what they earn after costs, and how sure that is.

    Trades strength, funding carry, both, pairs that continue, scores and outcomes of pairs that are learnt
    walk-forward, and combinations of these over the stored bars of the universe, in whole lots. Every run is noted as a
    trial; results that lose are shown like all others.
    """
    from pairity.timeline import parse_instant, parse_range
    from pairity_cli.console import ConsoleProgress
    from training.books.study import choose_families, study_books
    from venue.clock import SystemClock

    settings = settings_from()
    chosen = choose_families(families)
    clock = SystemClock().now()
    now = parse_instant(as_known_at, now=clock, name="--as-known-at")
    first, last = parse_range(since, until, now=clock, included=True)
    with ConsoleProgress() as progress:
        report = study_books(
            settings,
            chosen,
            progress,
            now=now,
            since=first,
            until=last,
            in_depth=in_depth,
            whole=whole,
            limit_first=limit_first,
        )
    _show(report)


def _show(report: BooksReport) -> None:
    from pairity.measures import MEASURES, explain_span, format_measure
    from pairity_cli.tables import print_heading, print_line, print_table
    from training.books.executions import summarise_fills
    from training.evaluation.verdicts import judge_sharpe, state_findings

    span = report.last - report.first
    print_heading("Books")
    print_line(f"{report.first:%Y-%m-%d %H:%M} to {report.last:%Y-%m-%d %H:%M} UTC, after costs")
    rows = [
        (one.family.name, *(format_measure(key, one.metrics, span) for key in _MEASURES)) for one in report.evidence
    ]
    print_table(("family", *(MEASURES[key].title for key in _MEASURES)), rows)
    if (too_short := explain_span(span)) is not None:
        print_line(f"note: {too_short}")
    else:
        print_table(
            ("family", "Sharpe", "error", "t", "years for t = 1.64", "deflated Sharpe"),
            [_certainty_row(one) for one in report.evidence],
            "how sure that is",
        )
    for one in report.evidence:
        share, orders = summarise_fills(one.run.fills)
        if orders and share is not None:
            print_line(f"{one.family.name}: {format_percent(share)} of what was traded by limit orders")
    for line in state_findings({one.family.name: judge_sharpe(one.metrics, span) for one in report.evidence}):
        print_line(line)
    years = sorted({year for one in report.evidence for year, _, _ in one.years})
    print_table(("family", *map(str, years)), [_year_row(one, years) for one in report.evidence], "net return by year")
    _show_quarters(report)
    _show_placebos(report)
    _show_capacity(report)
    for one in report.evidence:
        print_table(
            ("circumstance", *(MEASURES[key].title for key in _BRIEF)),
            [(other.name, *(format_measure(key, other.metrics, span) for key in _BRIEF)) for other in one.variations],
            one.family.name,
        )
        if one.left_out and not one.result.trades.is_empty():
            worst = ", ".join(f"{name} {format_fixed(sharpe)}" for name, sharpe in one.left_out[:3])
            kept = ", its models as they are" if one.family.learns or one.family.members else ""
            print_line(f"Sharpe ratio without one name{kept}: lowest {worst}")
    names = list(report.correlations)
    print_table(
        ("", *names),
        [(name, *(format_fixed(report.correlations[name][other]) for other in names)) for name in names],
        "correlations of hourly returns",
    )
    print_line(f"{report.trials}, all so far")
    for note in report.notes:
        print_line(f"note: {note}")
    for path in report.files:
        echo(path)


def _certainty_row(one: BookEvidence) -> tuple[Cell, ...]:
    sure = one.certainty
    if sure is None:
        return (one.family.name, "–", "–", "–", "–", "–")
    needed = "never" if sure.years_needed is None else format_fixed(sure.years_needed, 1)
    ratio = f"± {format_fixed(sure.error)}"
    return (
        one.family.name,
        format_fixed(sure.sharpe),
        ratio,
        format_fixed(sure.t),
        needed,
        format_fixed(one.deflated_sharpe),
    )


def _year_row(one: BookEvidence, years: list[int]) -> tuple[Cell, ...]:
    own = {year: earned for year, earned, _ in one.years}
    return (one.family.name, *(format_percent(own.get(year), signed=True) for year in years))


def _show_quarters(report: BooksReport) -> None:
    from pairity_cli.tables import print_table

    quarters = sorted({quarter for one in report.evidence for quarter, _ in one.quarters})
    own = [dict(one.quarters) for one in report.evidence]
    print_table(
        ("quarter", *(one.family.name for one in report.evidence)),
        [(quarter, *(format_percent(one.get(quarter), signed=True) for one in own)) for quarter in quarters],
        "net return by quarter",
    )


def _show_placebos(report: BooksReport) -> None:
    from pairity_cli.tables import print_line, print_table

    print_table(
        ("family", "weights on other names", "costs", "below the book", "of", "p", "median Sharpe", "highest"),
        [
            (
                one.family.name,
                found.shuffle.value,
                "paid" if found.with_costs else "none",
                found.below,
                found.permutations,
                format_fixed(found.p, 3),
                format_fixed(found.median),
                format_fixed(found.highest),
            )
            for one in report.evidence
            for found in one.placebos
        ],
        "placebos",
    )
    print_line("dealt anew at each decision, a placebo pays for trading itself through: its costs are no evidence")


def _show_capacity(report: BooksReport) -> None:
    from pairity_cli.tables import print_line, print_table

    capitals = [capital for capital, _ in report.evidence[0].capacity]
    earned = [[other.metrics["net_return"] for _, other in one.capacity] for one in report.evidence]
    rows = [
        (format_fixed(capital, 0), *(format_percent(own[place], signed=True) for own in earned))
        for place, capital in enumerate(capitals)
    ]
    print_table(("capital, USDT", *(one.family.name for one in report.evidence)), rows, "net return by capital")
    known = [(one.family.name, one.half_capital) for one in report.evidence if one.half_capital is not None]
    if known:
        print_line("half of it is left at " + ", ".join(f"{format_fixed(at, 0)} USDT ({name})" for name, at in known))
