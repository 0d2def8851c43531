"""`pairity backtest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pairity.names import IDENTIFIER
from pairity.number_formats import format_count, format_fixed
from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.parameters import Name
from pairity_cli.references import MODEL_VERSION, RUN, find_version_number
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from datetime import timedelta

    from pairity.settings import Settings
    from training.backtest.grid import GridResult
    from training.backtest_job import BacktestReport


_GRID_KEYS = ("net_return", "sharpe", "max_drawdown", "trades", "win_rate")
_SHOWN_TRIALS = 10


@click.command()
@click.option("--model", type=MODEL_VERSION, metavar="VERSION", help="A registered version; by default the champion.")
@click.option("--rule", type=Name(IDENTIFIER), help="A rule instead: always_revert or zero_forecast.")
@click.option("--run", type=RUN, metavar="RUN", help="The scores that a run of train or leaderboard left.")
@click.option("--family", type=Name(IDENTIFIER), help="With --run of a leaderboard: whose scores.")
@click.option("--since", metavar="INSTANT", help="First bar close; by default the first that may be backtested.")
@click.option("--until", metavar="INSTANT", help="Last bar close (included); by default the newest.")
@click.option("--legs", type=click.Choice(["base", "both"]), help="The setting strategy.legs.")
@click.option(
    "--grid", "axes", multiple=True, metavar="NAME=V,V,…", help="Values of a setting of the strategy; once per setting."
)
@click.option(
    "--as-known-at", metavar="INSTANT", default="now", show_default=True, help="Use only what was known then."
)
@reports_errors
@prints_tables()
def backtest(
    model: str | None,
    rule: str | None,
    run: str | None,
    family: str | None,
    since: str | None,
    until: str | None,
    legs: str | None,
    axes: tuple[str, ...],
    as_known_at: str,
) -> None:
    """Backtest a registered model, a rule or the scores of a run over any range, without training anything.

    Costs, fills and strategy are those of the settings. A range that the model has seen is refused. All settings of a
    grid count as trials. decisions.csv holds every pair's score, and why it was not taken.
    """
    from pairity.timeline import parse_instant, parse_range
    from pairity_cli.console import ConsoleProgress
    from training.backtest.settings_grid import parse_grid
    from training.backtest_job import run_recorded_backtest
    from training.score_sources import choose_source
    from venue.clock import SystemClock

    chosen: dict[str, Any] = {} if legs is None else {"strategy": {"legs": legs}}
    settings = settings_from(**chosen)
    clock = SystemClock().now()
    now = parse_instant(as_known_at, now=clock, name="--as-known-at")
    first, last = parse_range(since, until, now=clock, included=True)
    grid = parse_grid(axes) if axes else None
    version = None if model is None else find_version_number(settings, model)
    source = choose_source(settings, model=version, rule=rule, run=run, family=family)
    with ConsoleProgress() as progress:
        report = run_recorded_backtest(settings, source, progress, now=now, since=first, until=last, grid=grid)
    _show(settings, report)


def _show(settings: Settings, report: BacktestReport) -> None:
    from pairity.measures import explain_span, make_rows
    from pairity_cli.hints import write_command
    from pairity_cli.tables import print_heading, print_line, print_table
    from training.evaluation.verdicts import judge_sharpe, state_findings

    hours = report.contenders[0].result.equity["time"]
    print_heading("Backtest")
    print_line(
        f"{format_count(len(hours), 'bar')}, {hours[0]:%Y-%m-%d %H:%M} to {hours[-1]:%Y-%m-%d %H:%M} UTC, after costs"
    )
    span = hours[-1] - hours[0]
    rows = make_rows([contender.metrics for contender in report.contenders], span)
    print_table(("measure", *(contender.name for contender in report.contenders)), rows)
    if (too_short := explain_span(span)) is not None:
        print_line(f"note: {too_short}")
    own = {one.name: judge_sharpe(one.metrics, span) for one in report.contenders if one.key != "btc"}
    for line in state_findings(own):
        print_line(line)
    print_line(f"deflated Sharpe {format_fixed(report.deflated_sharpe)} over {report.trials}, all so far")
    if report.superiority is not None:
        print_line(f"superior predictive ability (Hansen): p = {report.superiority.best:.3f} over these hours")
    if report.grid is not None:
        _show_grid(report.grid, report.overfitting, span)
    for note in report.notes:
        print_line(f"note: {note}")
    for path in report.files:
        echo(path)
    echo(f"run {report.run_id}; a page about it: {write_command(settings, 'report', report.run_id[:12])}")


def _show_grid(grid: GridResult, overfitting: float | None, span: timedelta) -> None:
    from pairity.measures import MEASURES, format_measure
    from pairity_cli.tables import print_line, print_table

    names = list(grid.points[0].changes())
    trials = sorted(zip(grid.points, grid.metrics, strict=True), key=lambda trial: -(trial[1]["net_return"] or 0.0))
    rows = [
        (*map(str, point.changes().values()), *(format_measure(key, metrics, span) for key in _GRID_KEYS))
        for point, metrics in trials[:_SHOWN_TRIALS]
    ]
    more = f", the best {_SHOWN_TRIALS} of" if len(trials) > _SHOWN_TRIALS else ":"
    print_table(
        (*names, *(MEASURES[key].title for key in _GRID_KEYS)),
        rows,
        f"grid{more} {format_count(len(trials), 'setting')}, by net return",
    )
    chance = "not known" if overfitting is None else f"{overfitting:.0%}"
    print_line(
        "stability of ranks: the best by net return in one half of the hours is not above the median in the other in "
        f"{chance} of the splits (probability of backtest overfitting)"
    )
