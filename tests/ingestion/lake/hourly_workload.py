"""A writer to be killed: hours of small batches with corrections, a large change, and compaction in between.

`python hourly_workload.py FOLDER [STEP]` runs it; with STEP it kills itself at that change of a file or folder. It may
be run again after that: whatever is stored already is a repetition.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from pairity.layout import Layout

START = datetime(2025, 3, 31, 21, tzinfo=UTC)
HOUR = timedelta(hours=1)
ASSETS = ("ADA", "BTC")
HOURS = 6
"""The month ends after the third."""


def rows_of(name: str, hour: int, version: int = 0) -> pl.DataFrame:
    """One row per asset at an hour; version 1 is known ten hours after version 0."""
    kind = DATASETS[name]
    at = START + hour * HOUR
    known = at + HOUR + version * 10 * HOUR
    rows = [(asset, at, *[float(hour + version)] * len(kind.values), known) for asset in ASSETS]
    return pl.DataFrame(rows, schema={"asset": pl.String, **kind.schema}, orient="row")


def write_hour(lake: Lake, hour: int) -> None:
    """One batch: a new hour of two datasets, and a correction of the hour two before in one of them."""
    covered = {asset: [(START + hour * HOUR, START + (hour + 1) * HOUR)] for asset in ASSETS}
    corrected = [rows_of("index_1h", hour - 2, version=1)] if hour >= 2 else []
    with lake.batch() as batch:
        batch.write("index_1h", pl.concat([rows_of("index_1h", hour), *corrected]), covered=covered)
        batch.write("open_interest", rows_of("open_interest", hour))


def run(folder: Path, hours: int = HOURS, every: int = 2) -> None:
    """Write all hours, compact after every few, and one instrument more directly in between."""
    lake = Lake(Layout(folder))
    with lake.writing():
        for hour in range(hours):
            write_hour(lake, hour)
            if hour == 2:
                lake.write("index_1h", "ETH", rows_of("index_1h", hour).filter(asset="ADA").drop("asset"))
                lake.write("index_1h", "BTC", rows_of("index_1h", 30).filter(asset="BTC").drop("asset"))
            if hour % every == every - 1:
                lake.compact(keep=hour // every % 2)
        lake.compact()


def kill_at(step: int, root: str) -> None:
    """Count what changes files below `root`, and die before the change of that number happens."""
    done = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        writes = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir")
        writes |= event == "open" and isinstance(arguments[1], str) and "w" in arguments[1]
        if writes and str(arguments[0]).startswith(root):
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1

    sys.addaudithook(count)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        kill_at(int(sys.argv[2]), sys.argv[1])
    print("ready", flush=True)
    run(Path(sys.argv[1]))
    print("done", flush=True)
