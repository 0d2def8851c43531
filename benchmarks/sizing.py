"""`python -m benchmarks sizing`: what docs/sizing.md computes with, measured.

A month of minutes of several numbers of instruments goes from files through ingest and features, after the month before
it has: the hours that features look back on are there and are read. Seconds, memory and bytes on the disk of each
stage, and the line through them: what one more instrument-month costs beside what a run costs in any case. Then what
Redis keeps for a pair.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.conditions import describe_machine
from benchmarks.feast_online import ADDRESS
from benchmarks.isolated_process import IsolatedJob, Job, call_in_process
from benchmarks.peer_interpreters import REDIS, find_interpreter
from benchmarks.redis_server import running_redis
from benchmarks.wide import list_names, make_settings
from pairity.timeline import DAY, from_ms, to_ms

_START = datetime.fromisoformat("2024-06-01T00:00:00+00:00")
_VENUE = "made"
COUNTS, DAYS = (12, 48, 96), 30
SMALL_COUNTS, SMALL_DAYS = (2, 3, 4), 2
_REDIS_PAIRS = (1_225, 4_950)
_STAGES = {"ingest: files → lake, judged": "collect_minutes", "features, judged and published": "publish_minutes"}
_MEASURES = ("seconds", "cpu_s", "peak_mb", "disk_mb")


def measure_sizing(small: bool) -> str:
    """Measure, and return the report in Markdown."""
    counts, days = (SMALL_COUNTS, SMALL_DAYS) if small else (COUNTS, DAYS)
    lines: list[str] = []
    measured: dict[str, list[tuple[int, dict[str, float]]]] = {stage: [] for stage in _STAGES}
    for _ in _run_stages(SMALL_COUNTS[0], SMALL_DAYS):  # compiles what is not compiled yet
        pass
    for count in counts:
        for stage, job in _run_stages(count, days):
            run, said = job.outcomes[-1], json.loads(job.answer)
            measured[stage].append(
                (count, {name: said[name] if name == "disk_mb" else getattr(run, name) for name in _MEASURES})
            )
            cells = (f"{run.seconds:.1f}", f"{run.cpu_s:.1f}", f"{run.peak_mb:,.0f}", f"{said['disk_mb']:,.1f}")
            lines.append(f"| {count} | {stage} | {' | '.join(cells)} | {said['rows']:,} |")
    return "\n".join(
        [
            f"{days} days of minutes of made-up instruments ({days * 1_440:,} each), after as many before them. "
            f"{describe_machine()}",
            "",
            "| instruments | stage | seconds | processor, s | peak, MB | disk, MB | rows |",
            "| ---: | --- | ---: | ---: | ---: | ---: | ---: |",
            *lines,
            "",
            f"Per instrument and {days} days, by the least-squares line through them, and what a run takes besides:",
            "",
            "| stage | seconds | processor, s | peak, MB | disk, MB |",
            "| --- | ---: | ---: | ---: | ---: |",
            *(f"| {stage} | {' | '.join(_fit_lines(rows))} |" for stage, rows in measured.items()),
            "",
            *_measure_redis(small),
        ]
    )


def _run_stages(count: int, days: int) -> Iterator[tuple[str, IsolatedJob]]:
    """Yield each stage of the second month when it is done; the first one's are not told."""
    with tempfile.TemporaryDirectory() as scratch:
        months = [to_ms(_START + place * days * DAY) for place in (-1, 0, 1)]
        call_in_process(__name__, "write_minutes", (scratch, months[0], months[-1], count))
        jobs = {
            stage: [IsolatedJob(__name__, name, (scratch, *month, count)) for month in pairwise(months)]
            for stage, name in _STAGES.items()
        }
        for before, _ in jobs.values():
            before.seconds()
        for stage, (_, own) in jobs.items():
            print(f"{count} instruments, {stage} …", file=sys.stderr, flush=True)
            own.seconds()
            yield stage, own


def _fit_lines(rows: Sequence[tuple[int, dict[str, float]]]) -> list[str]:
    counts = [count for count, _ in rows]
    fitted = (np.polyfit(counts, [values[name] for _, values in rows], 1) for name in _MEASURES)
    return [f"{slope:.2f} ({constant:+.1f})" for slope, constant in fitted]


def write_minutes(scratch: str, since_ms: int, until_ms: int, count: int) -> None:
    """Write one Parquet file of minutes per instrument."""
    folder = Path(scratch) / "files" / "1m"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(23)
    times = np.arange(since_ms, until_ms, 60_000)
    common = rng.normal(0, 8e-4, len(times))
    for name in list_names(count):
        close = 10.0 ** rng.uniform(-2, 4) * np.exp(np.cumsum(common + rng.normal(0, 1e-3, len(times))))
        opened = np.concatenate([close[:1], close[:-1]])
        wick = 1 + np.abs(rng.normal(0, 3e-4, len(times)))
        columns = {
            "ts": times,
            "open": opened,
            "high": np.maximum(opened, close) * wick,
            "low": np.minimum(opened, close) / wick,
            "close": close,
            "volume": rng.exponential(1e4, len(times)) / close,
        }
        pl.DataFrame(columns).write_parquet(folder / f"{name}-USDT.parquet")


def collect_minutes(scratch: str, since_ms: int, until_ms: int, count: int) -> Job:
    """Make the job that brings the files into the lake."""
    from ingestion.pipeline import collect_history
    from ingestion.sources.folders import ParquetFolder
    from pairity.progress import SilentProgress

    settings = make_settings(scratch, "home", count, all_pairs=False)
    source, until = ParquetFolder(Path(scratch, "files"), _VENUE), from_ms(until_ms)
    folder = Path(scratch, "home", "lake")
    before = _measure_mb(folder)

    def job() -> str:
        collected = collect_history(
            settings,
            source,
            settings.universe.assets,
            ("candles_1m",),
            from_ms(since_ms),
            until,
            until + 5 * DAY,
            SilentProgress(),
        )
        report = asyncio.run(collected)
        assert report.ok, report.failures[:3]
        return _tell(sum(row.rows for row in report.rows), folder, before)

    return job


def publish_minutes(scratch: str, _since_ms: int, until_ms: int, count: int) -> Job:
    """Make the job that computes, judges and publishes every view that the minutes give, with one pair."""
    from ingestion.pipeline import publish_features
    from pairity.progress import SilentProgress

    settings, until = make_settings(scratch, "home", count, all_pairs=False), from_ms(until_ms)
    folder = Path(scratch, "home", "features")
    before = _measure_mb(folder)

    def job() -> str:
        report = publish_features(settings, until, until + 5 * DAY, SilentProgress())
        return _tell(sum(view.new_rows for view in report.views), folder, before)

    return job


def _tell(rows: int, folder: Path, before: float) -> str:
    return json.dumps({"rows": rows, "disk_mb": _measure_mb(folder) - before})


def _measure_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 1e6


def _measure_redis(small: bool) -> list[str]:
    """Return what our Redis store keeps for a pair, or why that was not measured."""
    client = find_interpreter(REDIS, "feast and redis")
    with tempfile.TemporaryDirectory() as scratch, running_redis(Path(scratch)) as address:
        if client.lacks or address is None:
            return [f"Redis: {client.lacks or 'not measured: `redis-server` is not installed'}"]
        sizes = (10, 20) if small else _REDIS_PAIRS
        try:
            kept = call_in_process(
                __name__, "fill_redis", (scratch, sizes), python=client.python, variables={ADDRESS: address}
            )
        except subprocess.CalledProcessError as error:
            return [f"Redis: not measured: {REDIS} = {client.python} failed with exit code {error.returncode}"]
    slope, constant = np.polyfit(sizes, kept, 1)
    listed = ", ".join(f"{size:,} pairs {used / 1e6:.2f} MB" for size, used in zip(sizes, kept, strict=True))
    return [f"Redis (`used_memory` above that of an empty one): {listed}; {slope:,.0f} bytes a pair + {constant:,.0f}."]


def fill_redis(scratch: str, sizes: Sequence[int]) -> list[int]:
    """Write the newest row of so many pairs into our Redis store, one size after the other; return the bytes used."""
    import redis
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64

    from feature_repo.catalog import PAIR_HOURLY

    host, _, port = os.environ[ADDRESS].partition(":")
    server = redis.Redis(host, int(port))
    names = [feature.name for feature in PAIR_HOURLY.features if feature.dtype == "float64"]
    kind = "feature_repo.redis_online_store.NewestRedisOnlineStore"
    store = FeatureStore(
        config=RepoConfig(
            project="sizing",
            provider="local",
            registry=str(Path(scratch) / "registry.db"),
            offline_store={"type": "dask"},
            online_store={"type": kind, "address": f"redis://{host}:{port}/0"},
            entity_key_serialization_version=3,
            repo_path=scratch,
        )
    )
    entity = Entity(name="pair_id", join_keys=["pair_id"], value_type=ValueType.STRING)
    source = FileSource(path=str(Path(scratch) / "rows.parquet"), timestamp_field="event_timestamp")
    fields = [Field(name=name, dtype=Float64) for name in names]
    make_rows(sizes[0], names).write_parquet(Path(scratch) / "rows.parquet")
    store.apply([entity, FeatureView(name="view", entities=[entity], schema=fields, source=source)])
    used = []
    for size in sizes:
        server.flushdb()
        empty = server.info("memory")["used_memory"]
        store.write_to_online_store("view", make_rows(size, names).to_pandas())
        used.append(int(server.info("memory")["used_memory"]) - int(empty))
    return used


def make_rows(count: int, names: Sequence[str]) -> pl.DataFrame:
    """Return one row per pair with normal values."""
    generator = np.random.default_rng(5)
    values: dict[str, Any] = {"pair_id": [f"C{number:05}__C{number + 1:05}" for number in range(count)]}
    values["event_timestamp"] = pl.Series([_START] * count, dtype=pl.Datetime("us", "UTC"))
    values |= {name: generator.normal(size=count) for name in names}
    return pl.DataFrame(values)
