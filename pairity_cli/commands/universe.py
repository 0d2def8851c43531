"""`pairity universe`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pairity.names import CURRENCY, EXCHANGE_CODE, IDENTIFIER, VENUE
from pairity.number_formats import format_count
from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.parameters import Name
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl

    from feature_repo.universes import StoredUniverse
    from pairity.layout import Layout
    from pairity.settings import Settings

_TIINGO = "tiingo"
_OF_TIINGO = ("exchange", "quote", "day")
_OF_A_VENUE = ("top", "window_hours", "min_bars", "every_days", "since", "until")
_SHOWN = 20


@click.command()
@click.argument("name", type=Name(IDENTIFIER), required=False)
@click.option(
    "--from",
    "origin",
    type=Name(VENUE),
    default=_TIINGO,
    show_default=True,
    help="tiingo: what an exchange lists; or a venue in the lake, such as okx: its swaps by notional and age.",
)
@click.option("--exchange", type=Name(EXCHANGE_CODE), help="Of tiingo: the exchange (default sources.tiingo_exchange).")
@click.option("--quote", type=Name(CURRENCY), help="Of tiingo: the quote currency (default sources.tiingo_quote).")
@click.option("--day", metavar="YYYY-MM-DD", help="Of tiingo: the day to ask about; by default yesterday (UTC).")
@click.option("--top", type=click.IntRange(1), help="Of a venue: how many instruments (default 100).")
@click.option("--window-hours", type=click.IntRange(24, 8784), help="Hours of the mean notional (default 720).")
@click.option("--min-bars", type=click.IntRange(1), help="Least age in hourly bars (default 2160).")
@click.option("--every-days", type=click.IntRange(1, 366), help="Days between snapshots (default 1).")
@click.option(
    "--since", metavar="INSTANT", help="Of a venue: first date, ISO time or age; by default the first with a member."
)
@click.option("--until", metavar="INSTANT", help="Of a venue: last date, ISO time, age or now (default now).")
@click.option("--show", is_flag=True, help="Show the stored universe NAME, and build nothing.")
@click.option(
    "--at", "instant", metavar="INSTANT", default="now", show_default=True, help="The instant whose members are shown."
)
@click.option("--all", "whole", is_flag=True, help=f"Show every member, not the first {_SHOWN}.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print all that were ever a member, as universe.assets takes them."
)
@reports_errors
@prints_tables(json_too=False)
def universe(
    name: str | None, origin: str, show: bool, instant: str, whole: bool, as_json: bool, **options: str | int | None
) -> None:
    """Build a universe under NAME, store it and show its members; or --show a stored one.

    From tiingo: the coins that an exchange (MEXC by default) had prices of against a quote currency (USDT) on a day;
    every day that is asked for adds a snapshot. From a venue in the lake: at each date its instruments by trailing
    notional and age, as known then; instruments that are gone by now stay in the past. `trade-sheet` and
    `cross-section` take a universe by its name.
    """
    from feature_repo.universes import list_universes, read_universe
    from pairity.errors import ConfigError
    from pairity.layout import Layout
    from pairity.timeline import parse_instant
    from venue.clock import SystemClock

    settings, now = settings_from(), SystemClock().now()
    layout, given = Layout.of(settings), {key: value for key, value in options.items() if value is not None}
    at = parse_instant(instant, now=now, name="--at")
    if show:
        if given:
            raise ConfigError(f"--show builds nothing, but --{min(given).replace('_', '-')} was given", "leave one out")
        if name is None:
            raise ConfigError("--show needs a name", f"choose from: {', '.join(list_universes(layout)) or 'none yet'}")
        found = read_universe(layout, name)
    else:
        _refuse_others(given, origin)
        build = _build_of_tiingo if origin == _TIINGO else _build_of_venue
        found = build(settings, layout, name, origin, given, now, quiet=as_json)
    if as_json:
        click.echo(json.dumps(found.assets))
        return
    _show(found, max(at, found.snapshots[0]) if not show and instant == "now" else at, whole=whole)
    if not show:
        echo(layout.universes / f"{found.name}.parquet")


def _refuse_others(given: Mapping[str, str | int], origin: str) -> None:
    from pairity.errors import ConfigError

    others = _OF_A_VENUE if origin == _TIINGO else _OF_TIINGO
    for key in sorted(given.keys() & set(others)):
        raise ConfigError(
            f"--{key.replace('_', '-')} says nothing of --from {origin}",
            "leave it out, or name a venue" if origin == _TIINGO else "leave it out, or use --from tiingo",
        )


def _build_of_tiingo(
    settings: Settings,
    layout: Layout,
    name: str | None,
    origin: str,
    given: Mapping[str, str | int],
    now: datetime,
    *,
    quiet: bool,
) -> StoredUniverse:
    from feature_repo.universes import store_universe
    from ingestion.sources.catalog import open_source
    from ingestion.sources.tiingo import Tiingo
    from ingestion.universes import build_exchange_universe
    from pairity.errors import ConfigError
    from pairity.timeline import DAY, floor_to, parse_instant
    from pairity_cli.console import ConsoleProgress

    chosen = {"tiingo_exchange": given.get("exchange"), "tiingo_quote": given.get("quote")}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    if isinstance(quote := chosen.get("tiingo_quote"), str):
        chosen["tiingo_quote"] = quote.lower()
    settings = settings.model_copy(update={"sources": settings.sources.model_copy(update=chosen)})
    today = floor_to(now, DAY)
    day = today - DAY if "day" not in given else parse_instant(str(given["day"]), now=now, name="--day")
    if day != floor_to(day, DAY) or day >= today:
        raise ConfigError(f"--day {given['day']!r} is no whole day that is over", "give a day before today (UTC)")
    source = open_source(origin, settings)
    assert isinstance(source, Tiingo)
    with ConsoleProgress() as progress:
        rows, where = build_exchange_universe(source, day, progress)
    stored = store_universe(layout, name or _make_name(source.exchange, source.quote), rows, keep=True)
    if not quiet:
        _show_map(layout, stored.name, day, where)
    return stored


def _build_of_venue(
    settings: Settings,
    layout: Layout,
    name: str | None,
    origin: str,
    given: Mapping[str, str | int],
    now: datetime,
    *,
    quiet: bool,
) -> StoredUniverse:
    from feature_repo.universes import store_universe
    from ingestion.lake import Lake
    from ingestion.universes import TrailingRule, build_trailing_universe
    from pairity.timeline import check_range, parse_instant
    from pairity_cli.console import ConsoleProgress

    numbers = {key: int(given[key]) for key in ("top", "window_hours", "min_bars", "every_days") if key in given}
    rule = TrailingRule(**{"top": 100, "dead_after_hours": settings.features.dead_after_hours, **numbers})
    since = parse_instant(str(given["since"]), now=now, name="--since") if "since" in given else None
    until = parse_instant(str(given.get("until", "now")), now=now, name="--until")
    if since is not None:
        check_range(since, until)
    with ConsoleProgress() as progress:
        lake = Lake(layout, venue=origin)
        rows = build_trailing_universe(lake, since, until, rule, settings.features.decision_lag, progress)
    return store_universe(layout, name or _make_name(origin, f"top{rule.top}"), rows, keep=False)


def _make_name(*parts: str) -> str:
    """Return a name for a universe that was given none: `mexc_usdt`, `okx_top100`."""
    text = "_".join(parts).lower().replace("-", "_")
    return text if text[0].isalpha() else f"u_{text}"


def _show(found: StoredUniverse, at: datetime, *, whole: bool) -> None:
    import polars as pl

    from pairity.number_formats import format_count, format_money
    from pairity_cli.tables import Cell, print_line, print_table

    since = found.find_snapshot(at)
    own = found.rows.filter(pl.col("since") == since, pl.col("asset").is_not_null()).sort("rank")
    members = found.rows.filter(pl.col("asset").is_not_null())
    dynamic = members["mean_notional"].is_not_null().any()  # of all snapshots: this one may be of nobody
    rows: list[tuple[Cell, ...]] = []
    for row in (own if whole else own.head(_SHOWN)).iter_rows(named=True):
        numbers = (format_money(row["mean_notional"]), row["age_bars"]) if dynamic else (row["exchanges"],)
        rows.append((row["rank"], row["asset"], *numbers))
    columns = ("USDT per hour, mean", "age, hourly bars") if dynamic else ("exchanges",)
    print_line(f"universe {found.name} ({found.source}) as known from {since:%Y-%m-%d %H:%M} UTC on")
    print_table(("rank", "asset", *columns), rows)
    if own.height > len(rows):
        print_line(f"and {own.height - len(rows):,} more (--all)")
    print_line(
        f"{format_count(own.height, 'member')}; {format_count(len(found.snapshots), 'snapshot')} from "
        f"{found.snapshots[0]:%Y-%m-%d} to {found.snapshots[-1]:%Y-%m-%d}, "
        f"{format_count(len(found.assets), 'asset')} in all of them"
    )
    peopled = [each for each in members["since"].unique().sort().to_list() if each < since]
    if own.is_empty() and peopled:
        gone = min(each for each in found.snapshots if each > peopled[-1])
        print_line(
            f"nobody belongs to it since {gone:%Y-%m-%d}: --show --at {peopled[-1]:%Y-%m-%d} shows the members before"
        )


def _show_map(layout: Layout, name: str, day: datetime, where: Mapping[str, tuple[str, ...]]) -> None:
    import polars as pl

    from pairity.csv_files import escape_formulas
    from pairity.durable import replace_file_with
    from pairity_cli.tables import print_line

    rows: pl.DataFrame = pl.DataFrame(
        [(ticker, " ".join(codes)) for ticker, codes in sorted(where.items())],
        schema={"ticker": pl.String, "exchanges": pl.String},
        orient="row",
    )
    path = layout.reports / "universe" / f"{name}-{day:%Y-%m-%d}.csv"
    replace_file_with(path, escape_formulas(rows).write_csv)
    listed = sum(bool(codes) for codes in where.values())
    print_line(f"{format_count(len(where), 'ticker')}, {listed:,} of them on an exchange on {day:%Y-%m-%d}: {path}")
