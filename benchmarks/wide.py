"""A wide universe: 300 made-up instruments, a year of hours, from files to the trade sheet; and all pairs of a month.

Each stage runs in a process of its own, which says how long it took and the largest memory it had. There is no peer:
what is measured is whether hundreds of instruments are affordable on one machine, and what pairs cost.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.conditions import describe_machine
from benchmarks.figures import note_figure
from benchmarks.isolated_process import IsolatedJob
from pairity.settings import FeatureSettings, Settings, UniverseSettings
from pairity.timeline import DAY, HOUR, to_ms

_MODULE = "benchmarks.wide"
_VENUE = "made"
_START = datetime(2024, 1, 1, tzinfo=UTC)
_MONTH = datetime(2024, 12, 1, tzinfo=UTC)
"""The month of which all pairs are computed."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: instruments, days of the year that are kept, days of the month of pairs."""

    assets: int
    days: int
    pair_days: int


WHOLE, SMALL = Size(300, 366, 30), Size(24, 40, 3)
_FEATURES = 2
"""Place of the stage that computes the features of the year."""


def measure_wide(small: bool) -> str:
    """Measure every stage and return the table; `small` shows in a minute whether it runs at all."""
    size = SMALL if small else WHOLE
    with tempfile.TemporaryDirectory() as scratch:
        stages = [(title, _run(title, function, (scratch, *left))) for title, function, *left in _list_stages(size)]
    head = (
        f"{size.assets} made-up instruments, {size.days} days of hours; then all "
        f"{size.assets * (size.assets - 1) // 2:,} pairs of {size.pair_days} days. {describe_machine()}"
    )
    if not small:
        year, month = stages[_FEATURES][1].outcomes[-1], stages[-1][1].outcomes[-1]
        said = f"{month.seconds:.1f} s, {month.peak_mb:,.0f} MB"
        note_figure("wide", f"{said}; the year of hours {year.seconds:.1f} s")
    lines = [
        f"| {title} | {job.outcomes[-1].seconds:.1f} | {job.outcomes[-1].peak_mb:,.0f} | {job.answer} |"
        for title, job in stages
    ]
    table = ["| stage | seconds | peak, MB | result |", "| --- | ---: | ---: | --- |", *lines]
    return "\n".join([head, "", *table]) + "\n"


def _list_stages(size: Size) -> list[tuple[object, ...]]:
    since = max(_START, _MONTH + 30 * DAY - size.days * DAY)
    year = (to_ms(since), to_ms(since + size.days * DAY), size.assets)
    month = (to_ms(_MONTH), to_ms(_MONTH + size.pair_days * DAY), size.assets)
    return [
        ("make the files", "make_files", *year),
        ("ingest: files → lake, judged", "collect_year", "year", *year),
        ("features of all instruments (cross-section, ranking; one pair)", "publish", "year", *year, False),
        ("universe by notional and age, every day", "build_universe", "year", *year),
        ("cross-section of one hour, of the universe", "read_panel", "year", *year),
        ("trade sheet of one day, of the universe", "make_sheet", "year", *year),
        ("ingest the month of the pairs", "collect_year", "month", *month),
        ("features of the month with all pairs", "publish", "month", *month, True),
    ]


def _run(title: object, function: object, arguments: tuple[object, ...]) -> IsolatedJob:
    print(f"{title} …", file=sys.stderr, flush=True)
    job = IsolatedJob(_MODULE, str(function), arguments)
    seconds = job.seconds()
    print(f"  {seconds:.1f} s, {job.outcomes[-1].peak_mb:,.0f} MB: {job.answer}", file=sys.stderr, flush=True)
    return job


def make_files(scratch: str, since_ms: int, until_ms: int, count: int) -> Callable[[], str]:
    """Return the job that writes one Parquet file of hourly candles per instrument."""

    def work() -> str:
        folder = Path(scratch) / "files" / "1h"
        folder.mkdir(parents=True)
        rng = np.random.default_rng(17)
        times = np.arange(since_ms, until_ms, to_ms(_START + HOUR) - to_ms(_START))
        common = rng.normal(0, 0.006, len(times))
        for name in list_names(count):
            close = 10.0 ** rng.uniform(-3, 4) * np.exp(np.cumsum(common + rng.normal(0, 0.008, len(times))))
            opened = np.concatenate([close[:1], close[:-1]])
            spread = 1 + np.abs(rng.normal(0, 0.003, len(times)))
            columns = {
                "ts": times,
                "open": opened,
                "high": np.maximum(opened, close) * spread,
                "low": np.minimum(opened, close) / spread,
                "close": close,
                "volume": rng.exponential(1e5, len(times)) / close,
            }
            pl.DataFrame(columns).write_parquet(folder / f"{name}-USDT.parquet")
        return f"{count * len(times):,} bars"

    return work


def collect_year(scratch: str, home: str, since_ms: int, until_ms: int, count: int) -> Callable[[], str]:
    """Return the job that brings the files into the lake, judged like everything else."""
    from ingestion.pipeline import collect_history
    from ingestion.sources.folders import ParquetFolder
    from pairity.progress import SilentProgress
    from pairity.timeline import from_ms

    settings, source = (
        make_settings(scratch, home, count, all_pairs=False),
        ParquetFolder(Path(scratch, "files"), _VENUE),
    )
    since, until = from_ms(since_ms), from_ms(until_ms)

    def work() -> str:
        assets = settings.universe.assets
        collected = collect_history(
            settings, source, assets, ("candles_1h",), since, until, until + 5 * DAY, SilentProgress()
        )
        report = asyncio.run(collected)
        assert report.ok, report.failures[:3]
        return f"{sum(row.rows for row in report.rows):,} rows"

    return work


def publish(scratch: str, home: str, _since_ms: int, until_ms: int, count: int, all_pairs: bool) -> Callable[[], str]:
    """Return the job that computes, judges and publishes the features of what the lake holds."""
    from ingestion.pipeline import publish_features
    from pairity.progress import SilentProgress
    from pairity.timeline import from_ms

    settings, until = make_settings(scratch, home, count, all_pairs=all_pairs), from_ms(until_ms)

    def work() -> str:
        report = publish_features(settings, until, until + 5 * DAY, SilentProgress())
        rows = {view.view: view.new_rows for view in report.views}
        files = Path(scratch, home, "features").rglob("*.parquet")
        size = sum(file.stat().st_size for file in files if "pair" in file.relative_to(scratch).as_posix())
        return (
            f"{rows['asset_cross_section']:,} rows of the cross-section, {rows['pair_hourly']:,} of pairs; "
            f"{size / 1e6:,.1f} MB in views of pairs"
        )

    return work


def build_universe(scratch: str, home: str, _since_ms: int, until_ms: int, count: int) -> Callable[[], str]:
    """Return the job that builds and stores the universe of the upper half."""
    from feature_repo.universes import store_universe
    from ingestion.lake import Lake
    from ingestion.universes import TrailingRule, build_trailing_universe
    from pairity.layout import Layout
    from pairity.progress import SilentProgress
    from pairity.timeline import from_ms

    settings = make_settings(scratch, home, count, all_pairs=False)
    layout, rule = Layout.of(settings), TrailingRule(top=count // 2, min_bars=480)

    def work() -> str:
        lag = settings.features.decision_lag
        rows = build_trailing_universe(Lake(layout, venue=_VENUE), None, from_ms(until_ms), rule, lag, SilentProgress())
        stored = store_universe(layout, "half", rows, keep=False)
        return f"{len(stored.snapshots)} snapshots, {len(stored.assets)} assets"

    return work


def read_panel(scratch: str, home: str, _since_ms: int, until_ms: int, count: int) -> Callable[[], str]:
    """Return the job that reads the newest hour of the universe's cross-section."""
    from feature_repo.universes import read_universe
    from pairity.layout import Layout
    from pairity.timeline import from_ms
    from training.cross_section import find_newest_hour, read_cross_section

    settings = make_settings(scratch, home, count, all_pairs=False)

    def work() -> str:
        universe = read_universe(Layout.of(settings), "half")
        rows = read_cross_section(settings, find_newest_hour(settings, from_ms(until_ms)), universe)
        return f"{rows.height} members"

    return work


def make_sheet(scratch: str, home: str, _since_ms: int, until_ms: int, count: int) -> Callable[[], str]:
    """Return the job that decides the newest trade sheet of the universe."""
    from feature_repo.feature_store import apply_definitions, open_store
    from feature_repo.universes import read_universe
    from pairity.layout import Layout
    from pairity.timeline import from_ms
    from training.trade_sheet import build_trade_sheet, find_newest_day

    settings = make_settings(scratch, home, count, all_pairs=False)

    def work() -> str:
        store = open_store(settings)
        apply_definitions(settings, store)
        universe = read_universe(Layout.of(settings), "half")
        day = find_newest_day(from_ms(until_ms), settings, universe)
        sheet = build_trade_sheet(settings, store, day, 10, universe=universe)
        return f"{sheet['assets_ranked'][0]} ranked, {sheet.height} on the sheet"

    return work


def make_settings(scratch: str, home: str, count: int, *, all_pairs: bool) -> Settings:
    """Return the settings of one data directory: the pairs of all assets, or of the first two alone."""
    names = list_names(count)
    universe = UniverseSettings(assets=names, pair_assets=None if all_pairs else names[:2], min_aligned_bars=1)
    return Settings(home=Path(scratch) / home, universe=universe, features=FeatureSettings(venue=_VENUE))


def list_names(count: int) -> tuple[str, ...]:
    """Return so many made-up short names."""
    return tuple(f"C{number:03}" for number in range(count))
