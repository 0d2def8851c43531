"""`pairity trade-sheet`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from pairity.names import IDENTIFIER
from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.parameters import Name
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from datetime import date

    import polars as pl

    from pairity.layout import Layout
    from pairity.number_formats import Figure
    from pairity.settings import VwapSettings
    from training.evaluation.ranking import RankingReport
    from training.sheet_choices import SheetChoice


_NEWEST = "newest"


@click.command("trade-sheet")
@click.option(
    "--date",
    "day",
    is_flag=False,
    flag_value=_NEWEST,
    default=_NEWEST,
    metavar="[YYYY-MM-DD]",
    help="The day of the sheet; without a date the newest that can be decided.",
)
@click.option("--top", type=click.IntRange(1), help="How many assets (default vwap.top).")
@click.option("--universe", type=Name(IDENTIFIER), help="Rank the members of this stored universe at each decision.")
@click.option(
    "--vwap", type=click.Choice(["weighted", "simple"]), default="weighted", show_default=True, help="Which VWAP."
)
@click.option("--return-bars", type=click.IntRange(3, 60), help="Bars of rolling_return (default vwap.window_bars).")
@click.option("--sharpe-bars", type=click.IntRange(3, 60), help="Horizon of sharpe in bars (default vwap.window_bars).")
@click.option("--evaluate", is_flag=True, help="Evaluate all sheets from --from to --to instead.")
@click.option("--from", "first", metavar="YYYY-MM-DD", help="First day to evaluate.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="Last day to evaluate.")
@reports_errors
@prints_tables()
def trade_sheet(
    day: str,
    top: int | None,
    universe: str | None,
    vwap: Literal["weighted", "simple"],
    return_bars: int | None,
    sharpe_bars: int | None,
    evaluate: bool,
    first: str | None,
    last: str | None,
) -> None:
    """The assets furthest above their VWAP at the day's decision: table, CSV and Parquet; or how such sheets did.

    Read through the feature store as a live process would have: only bars that had closed, as they were known then.
    """
    from feature_repo.feature_store import open_store
    from feature_repo.universes import read_universe
    from pairity.errors import ConfigError
    from pairity.layout import Layout
    from pairity_cli.tables import print_line
    from training.sheet_choices import SheetChoice
    from training.trade_sheet import build_trade_sheet as sheet_of
    from training.trade_sheet import evaluate_sheets, find_newest_day, write_evaluation, write_sheet
    from venue.clock import SystemClock

    settings = settings_from()
    layout, choice = Layout.of(settings), SheetChoice(vwap, return_bars, sharpe_bars)
    members = None if universe is None else read_universe(layout, universe)
    most = top or settings.vwap.top
    if evaluate:
        if first is None or last is None:
            raise ConfigError("--evaluate needs a range", "give --from YYYY-MM-DD and --to YYYY-MM-DD")
        since, until = _parse_day(first, "--from"), _parse_day(last, "--to")
        if until < since:
            raise ConfigError(f"--to {until} lies before --from {since}", "give the earlier day first")
        report = evaluate_sheets(settings, open_store(settings), since, until, most, choice=choice, universe=members)
        _show_evaluation(report)
        for path in write_evaluation(layout, report, since, until, choice.describe(universe)):
            echo(path)
        return
    if first is not None or last is not None:
        raise ConfigError("--from and --to are of --evaluate", "give --date for one sheet, or add --evaluate")
    chosen = find_newest_day(SystemClock().now(), settings, members) if day == _NEWEST else _parse_day(day, "--date")
    sheet = sheet_of(settings, open_store(settings), chosen, most, choice=choice, universe=members)
    _show_sheet(sheet, layout)
    print_line(_describe_units(settings.vwap, choice))
    for path in write_sheet(layout, sheet, chosen, choice.describe(universe)):
        echo(path)


def _describe_units(vwap: VwapSettings, choice: SheetChoice) -> str:
    """Return in words what the columns of a sheet are measured in."""
    return_bars, sharpe_bars = choice.return_bars or vwap.window_bars, choice.sharpe_bars or vwap.window_bars
    return (
        "units: close and VWAP in USDT; dist in % of the VWAP; exp vol in % a day; return in % over "
        f"{return_bars} bars of {vwap.bar_hours} h; sharpe is return by standard deviation over {sharpe_bars} "
        f"bars, not annualised; avg notional in USDT per bar of {vwap.bar_hours} h"
    )


def _parse_day(text: str, option: str) -> date:
    from datetime import date

    from pairity.errors import ConfigError

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r} is no day", "write it as YYYY-MM-DD, e.g. 2025-04-16") from None


def _show_sheet(sheet: pl.DataFrame, layout: Layout) -> None:
    from pairity.number_formats import format_fixed, format_money
    from pairity_cli.prices import Ticks
    from pairity_cli.tables import Cell, print_table

    ticks = Ticks.read(layout)
    rows: list[tuple[Cell, ...]] = [
        (
            row["rank"],
            row["futures_ticker"],
            _percent(row["dist"]),
            ticks.write(row["futures_ticker"], row["close"]),
            ticks.write(row["futures_ticker"], row["vwap"]),
            _percent(row["exp_vol"]),
            format_fixed(row["sharpe"], 2),
            _percent(row["rolling_return"]),
            format_money(row["avg_notional"]),
            str(row["exit_date"]),
        )
        for row in sheet.iter_rows(named=True)
    ]
    columns = ("rank", "ticker", "dist", "close", "vwap", "exp vol a day", "sharpe", "return")
    title = f"trade sheet of {sheet['date'][0]}, {sheet['assets_ranked'][0]:,} assets ranked"
    print_table((*columns, "avg notional, USDT", "exit date"), rows, title)


def _percent(value: float | None) -> Figure:
    """Return what the sheet has in percent."""
    from pairity.number_formats import format_percent

    return format_percent(None if value is None else value / 100)


def _show_evaluation(report: RankingReport) -> None:
    from pairity.number_formats import format_fixed, format_percent
    from pairity_cli.tables import print_line, print_table
    from training.evaluation.verdicts import judge_interval

    percent = {"top_return": "sheet, gross", "all_return": "all assets", "cost": "cost", "net_return": "sheet, net"}
    rows = [
        ("days", format_fixed(report.days, 0)),
        ("rank IC, mean", format_fixed(report.rank_ic, 3)),
        ("rank IC, t", format_fixed(report.rank_ic_t)),
        ("turnover of the sheet per day", format_percent(report.turnover)),
        *(
            (f"{text}, per day", format_percent(getattr(report, name), 3, signed=True))
            for name, text in percent.items()
        ),
        ("  95% from", format_percent(report.net_low, 3, signed=True)),
        ("  to", format_percent(report.net_high, 3, signed=True)),
    ]
    print_table(("measure", "value"), rows)
    if report.net_low is not None:
        finding = judge_interval(report.net_low, report.net_high)
        print_line(f"net return of the sheet a day, 95% interval: {finding.value}")
    if report.by_bucket.height < 2:
        print_line("one bucket alone: all assets of a day had the same distance, or there was one; nothing to compare")
    if report.turnover is None:
        print_line("no turnover: one day alone was evaluated, nothing was exchanged and its cost is not known")
    buckets = [
        (bucket, count, format_percent(mean, 3, signed=True)) for bucket, mean, count in report.by_bucket.iter_rows()
    ]
    print_table(("bucket of distance (1 lowest)", "asset-days", "mean forward return"), buckets)
    print_line(
        "units: returns in % a day, equal weights; rank IC from -1 to 1; turnover is the share of the sheet exchanged; "
        "a forward return is the next day's"
    )
