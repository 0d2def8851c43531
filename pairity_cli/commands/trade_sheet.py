"""`pairity trade-sheet`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity_cli.context import echo, reports_errors, settings_from

if TYPE_CHECKING:
    from datetime import date

    import polars as pl

    from training.evaluation.ranking import RankingReport


@click.command("trade-sheet")
@click.option("--date", "day", metavar="YYYY-MM-DD", help="The day of the sheet; by default the newest decided.")
@click.option("--top", type=click.IntRange(1), help="How many assets (default vwap.top).")
@click.option("--evaluate", is_flag=True, help="Evaluate all sheets from --from to --to instead.")
@click.option("--from", "first", metavar="YYYY-MM-DD", help="First day to evaluate.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="Last day to evaluate.")
@reports_errors
def trade_sheet(day: str | None, top: int | None, evaluate: bool, first: str | None, last: str | None) -> None:
    """The assets furthest above their VWAP at the day's decision: table, CSV and Parquet; or how such sheets did.

    Read through the feature store as a live process would have: only bars that had closed, as they were known then.
    """
    from feature_repo.feature_store import open_store
    from pairity.errors import ConfigError
    from pairity.layout import Layout
    from training.trade_sheet import build_trade_sheet as sheet_of
    from training.trade_sheet import evaluate_sheets, find_latest_day, write_evaluation, write_sheet
    from venue.clock import SystemClock

    settings = settings_from()
    if evaluate:
        if first is None or last is None:
            raise ConfigError("--evaluate needs a range", "give --from YYYY-MM-DD and --to YYYY-MM-DD")
        since, until = _parse_day(first, "--from"), _parse_day(last, "--to")
        if until < since:
            raise ConfigError(f"--to {until} lies before --from {since}", "give the earlier day first")
        report = evaluate_sheets(settings, open_store(settings), since, until, top or settings.vwap.top)
        _show_evaluation(report)
        for path in write_evaluation(Layout.of(settings), report, since, until):
            echo(path)
        return
    chosen = _parse_day(day, "--date") if day else find_latest_day(SystemClock().now(), settings)
    sheet = sheet_of(settings, open_store(settings), chosen, top or settings.vwap.top)
    _show_sheet(sheet)
    for path in write_sheet(Layout.of(settings), sheet, chosen):
        echo(path)


def _parse_day(text: str, option: str) -> date:
    from datetime import date

    from pairity.errors import ConfigError

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r} is no day", "write it as YYYY-MM-DD, e.g. 2025-04-16") from None


def _show_sheet(sheet: pl.DataFrame) -> None:
    from pairity_cli.tables import print_table

    columns = [name for name in sheet.columns if name not in {"date", "assets_ranked"}]
    rows = [
        [str(cell) if name == "exit_date" else cell for name, cell in zip(columns, row, strict=True)]
        for row in sheet.select(columns).iter_rows()
    ]
    print_table(columns, rows, f"trade sheet of {sheet['date'][0]}, {sheet['assets_ranked'][0]} assets ranked")


def _show_evaluation(report: RankingReport) -> None:
    from pairity_cli.tables import print_table

    percent = {"top_return": "sheet, gross", "all_return": "all assets", "cost": "cost", "net_return": "sheet, net"}
    rows: list[tuple[str, float | int | str | None]] = [
        ("days", report.days),
        ("rank IC, mean", report.rank_ic),
        ("rank IC, t", report.rank_ic_t),
        ("turnover of the sheet per day", report.turnover),
    ]
    for name, text in percent.items():
        value = getattr(report, name)
        rows.append((f"{text}, % per day", None if value is None else 100 * value))
    print_table(("measure", "value"), rows)
    buckets = [(bucket, count, 100 * mean) for bucket, mean, count in report.by_bucket.iter_rows()]
    print_table(("bucket of distance (1 lowest)", "asset-days", "mean forward return, %"), buckets)
