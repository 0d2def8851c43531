"""`pairity pairs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pairity.number_formats import Figure, format_count, format_fixed, format_plain
from pairity_cli.context import echo, reports_errors, run_async, settings_from
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from feature_repo.pair_overview import PairOverview
    from pairity.settings import Settings
    from pairity_cli.tables import Cell

_MOST_COLUMNS = 20
"""Assets whose matrix of correlations is shown."""


@click.command()
@click.option("--at", metavar="INSTANT", default="now", show_default=True, help="As known then: ISO time, age or now.")
@click.option("--ask-venue", is_flag=True, help="Ask the venue what it lists, to say which crosses it trades directly.")
@reports_errors
@prints_tables()
def pairs(at: str, ask_venue: bool) -> None:
    """All pairs: legs, direct cross or synthetic, correlation, hedge ratio, half-life, why left out; and correlations.

    Read from the published features; nothing is asked of anybody without --ask-venue, whose answer is kept.
    """
    from feature_repo.pair_overview import overview_pairs
    from ingestion.listed_instruments import ask_listed, read_listed
    from pairity.timeline import parse_instant
    from venue.clock import SystemClock

    settings = settings_from()
    instant = parse_instant(at, now=SystemClock().now(), name="--at")
    listed = run_async(ask_listed(settings)) if ask_venue else read_listed(settings)
    overview = overview_pairs(settings, instant, None if listed is None else listed.ids)
    _show(overview, settings.features.z_window_bars)
    if listed is None:
        echo("whether the venue lists a cross itself is not known: --ask-venue asks it")
    else:
        echo(f"as listed by the venue on {listed.asked_at:%Y-%m-%d %H:%M} UTC")
    for path in _write(settings, overview):
        echo(path)


def _show(overview: PairOverview, z_bars: int) -> None:
    from pairity_cli.tables import print_heading, print_line, print_table

    print_heading("Pairs")
    used = overview.pairs["left_out"].null_count()
    closed = f"the bar that closed at {overview.bar:%Y-%m-%d %H:%M} UTC"
    print_line(
        f"{used} of {format_count(overview.pairs.height, 'pair')} {'is' if used == 1 else 'are'} used, as of {closed}"
    )
    rows: list[Sequence[Cell]] = [
        (
            row["pair_id"],
            format_fixed(row["z_score"]),
            format_fixed(row["correlation_168h"]),
            _write_ratio(row["hedge_ratio"]),
            format_fixed(row["half_life_h"], 1),
            row["aligned_bars"],
            row["left_out"] or "",
            _describe_cross(row["is_direct"], row["exchange_symbol"], row["is_inverted"]),
            f"{row['base_leg']}, {row['quote_leg']}",
        )
        for row in overview.pairs.to_dicts()
    ]
    columns = ("pair", "z", "correlation", "hedge ratio", "half-life, h", "bars", "left out", "cross", "legs")
    print_table(columns, rows)
    print_line(
        f"units: z in standard deviations of the spread over {z_bars} h; correlation of hourly returns, from -1 to 1; "
        "hedge ratio in log return of the first leg per log return of the second; bars: hours that both legs have"
    )
    names = overview.correlations.columns[1:]
    if len(names) > _MOST_COLUMNS:
        print_line(f"the correlations of {len(names):,} assets are wider than a page: see the files")
        return
    matrix = [(asset, *map(format_fixed, values)) for asset, *values in overview.correlations.iter_rows()]
    print_table(("asset", *names), matrix, "correlation of hourly returns")


def _write_ratio(ratio: float | None) -> Figure:
    """Return a hedge ratio with two decimals, and with two significant digits where that is more: 0.004 is not 0."""
    small = ratio is not None and 0 < abs(ratio) < 0.1
    return Figure(format_plain(ratio, 2), ratio) if small else format_fixed(ratio)


def _describe_cross(is_direct: bool | None, symbol: str | None, is_inverted: bool | None) -> str:
    if is_direct is None:
        return "not known"
    return f"{symbol}{' (inverted)' if is_inverted else ''}" if is_direct else "synthetic"


def _write(settings: Settings, overview: PairOverview) -> list[Path]:
    from pairity.csv_files import escape_formulas
    from pairity.durable import replace_file_with
    from pairity.layout import Layout

    folder, paths = Layout.of(settings).reports / "pairs", []
    tables: tuple[tuple[str, pl.DataFrame], ...] = (("pairs", overview.pairs), ("correlations", overview.correlations))
    for name, table in tables:
        for path, write in (
            (folder / f"{name}.csv", escape_formulas(table).write_csv),
            (folder / f"{name}.parquet", table.write_parquet),
        ):
            replace_file_with(path, write)
            paths.append(path)
    return paths
