"""The lake: the same rows give the same bytes, however they came; corrections are kept; damage is named."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.raw_datasets import DATASETS, INSTANT
from ingestion.lake import Lake
from ingestion.lake.generation import Generation
from ingestion.lake.partitions import MANIFEST, PART, list_partitions
from pairity.errors import DataError, LakeCorruptError, UnknownNameError
from pairity.layout import Layout
from tests.examples import examples

START = datetime(2025, 3, 31, 22, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LAG = timedelta(milliseconds=1)
PROPERTY = settings(
    deadline=None, max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def candles(minutes: list[int], shift: float = 0.0, known_at: datetime | None = None) -> pl.DataFrame:
    opened = [START + at * MINUTE for at in minutes]
    price = [100.0 + at + shift for at in minutes]
    columns = {"open_time": opened, "open": price, "high": price, "low": price, "close": price}
    frame = pl.DataFrame(columns, schema={"open_time": INSTANT, **dict.fromkeys(list(columns)[1:], pl.Float64)})
    known = pl.lit(known_at) if known_at else pl.col("open_time") + MINUTE + LAG
    return frame.with_columns(
        pl.lit(1.0).alias("volume"), pl.lit(None, pl.Float64).alias("volume_quote"), known.alias("known_at")
    ).with_columns(pl.col("open_time", "known_at").cast(INSTANT))


def files(root: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.endswith(".generation"))
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def lake_at(path: Path) -> Lake:
    return Lake(Layout(path), durable=False)


def everything(lake: Lake, known_by: datetime | None = None) -> pl.DataFrame:
    return lake.scan("candles_1m", ["BTC"], START - timedelta(days=40), START + timedelta(days=40), known_by).collect()


@PROPERTY
@given(
    minutes=st.lists(st.integers(0, 400), min_size=1, max_size=60),
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(0, 60), max_size=4),
)
def test_any_split_order_and_repetition_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, minutes: list[int], seed: int, cuts: list[int]
) -> None:
    whole, parts = (tmp_path_factory.mktemp(name) for name in ("whole", "parts"))
    distinct = sorted(set(minutes))
    lake_at(whole).write("candles_1m", "BTC", candles(distinct))
    shuffled = minutes + random.Random(seed).choices(minutes, k=3)
    random.Random(seed).shuffle(shuffled)
    edges = sorted({0, *cuts, len(shuffled)})
    added = 0
    for a, b in pairwise(edges):
        added += lake_at(parts).write("candles_1m", "BTC-USDT-SWAP", candles(shuffled[a:b]))
    if edges[-1] < len(shuffled) or len(edges) == 1:
        added += lake_at(parts).write("candles_1m", "BTC", candles(shuffled))
    assert added == len(distinct)
    assert files(parts) == files(whole)
    assert lake_at(parts).snapshot_id() == lake_at(whole).snapshot_id()
    assert everything(lake_at(parts))["open_time"].to_list() == [START + at * MINUTE for at in distinct]


@PROPERTY
@given(order=st.permutations([0, 1, 2]), repeats=st.lists(st.integers(0, 2), max_size=3))
def test_versions_of_one_minute_do_not_depend_on_their_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], repeats: list[int]
) -> None:
    versions = [candles([5], shift=0.1 * k, known_at=START + timedelta(hours=k + 1)) for k in range(3)]
    straight, mixed = (lake_at(tmp_path_factory.mktemp(name)) for name in ("straight", "mixed"))
    straight.write("candles_1m", "BTC", pl.concat(versions))
    for k in [*order, *repeats]:
        mixed.write("candles_1m", "BTC", versions[k])
    assert files(mixed.root) == files(straight.root)


def test_a_repetition_is_dropped_whatever_its_known_at(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    live = candles([1], known_at=START + timedelta(hours=1))
    assert lake.write("candles_1m", "BTC", live) == 1
    assert lake.write("candles_1m", "BTC", candles([1])) == 0
    assert everything(lake)["known_at"].to_list() == live["known_at"].to_list()


def test_a_correction_is_a_row_of_its_own_and_the_past_keeps_what_was_known(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    lake.write("candles_1m", "BTC", candles([1, 2]))
    arrived = START + timedelta(days=1)
    assert lake.write("candles_1m", "BTC", candles([2, 3], shift=0.5), arrived_at=arrived) == 2
    assert lake.write("candles_1m", "BTC", candles([2, 3], shift=0.5), arrived_at=arrived + MINUTE) == 0
    assert everything(lake)["close"].to_list() == [101.0, 102.5, 103.5]
    assert everything(lake, known_by=arrived - LAG)["close"].to_list() == [101.0, 102.0, 103.5]
    assert everything(lake).filter(pl.col("close") == 102.5)["known_at"].item() == arrived
    # The venue takes it back: again a correction, and newest.
    assert lake.write("candles_1m", "BTC", candles([2]), arrived_at=arrived) == 1
    assert everything(lake)["close"].to_list() == [101.0, 102.0, 103.5]


def test_two_truths_at_one_instant_are_refused(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    lake.write("candles_1m", "BTC", candles([2]))
    with pytest.raises(DataError, match="two different rows"):
        lake.write("candles_1m", "BTC", candles([2], shift=0.5))


def test_writing_the_same_again_touches_no_file(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path))
    span = (START, START + 300 * MINUTE)
    with lake.writing():
        lake.write("candles_1m", "BTC", candles(list(range(300))), covered=[span])
    paths = [path for path in lake.root.rglob("*") if path.is_file()]
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}
    again = Lake(Layout(tmp_path))
    with again.writing():
        assert again.write("candles_1m", "BTC", candles(list(range(100, 250))), covered=[span]) == 0
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths} == before
    assert len(paths) == 4


def test_coverage_is_kept_per_month_and_leaves_the_snapshot_alone(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    lake.write("candles_1m", "BTC", candles([0]))
    snapshot = lake.snapshot_id()
    june = datetime(2025, 6, 5, tzinfo=UTC)
    lake.write("candles_1m", "BTC", DATASETS["candles_1m"].empty(), covered=[(START, june)])
    assert lake.coverage("candles_1m", "BTC", START - MINUTE, june + MINUTE) == ((START, june),)
    assert lake.coverage("candles_1m", "ETH", START, june) == ()
    assert lake.snapshot_id() == snapshot
    assert len(lake.partitions()) == 4
    assert lake.verify() == 4


@pytest.mark.parametrize("damage", ["truncated", "altered", "deleted"])
def test_damage_names_the_file_the_digests_and_the_remedy(tmp_path: Path, damage: str) -> None:
    lake = lake_at(tmp_path)
    lake.write("candles_1m", "BTC", candles(list(range(50))))
    part = next(lake.root.rglob(PART))
    content = part.read_bytes()
    if damage == "truncated":
        part.write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        part.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    else:
        part.unlink()
    for use in (
        lake.verify,
        lambda: everything(lake),
        lambda: lake.write("candles_1m", "BTC", candles([60])),
        lambda: everything(lake_at(tmp_path)),
    ):
        with pytest.raises(LakeCorruptError, match=r"expected sha256 [0-9a-f]{64}, found") as caught:
            use()
        assert str(part) in caught.value.what
        assert "--since 2025-03-01 --until 2025-04-01 --instruments BTC" in caught.value.remedy


def test_a_manifest_that_is_not_json_is_named(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    lake.write("candles_1m", "BTC", candles([1]))
    manifest = next(lake.root.rglob(MANIFEST))
    manifest.write_text("{")
    with pytest.raises(LakeCorruptError, match="cannot be read") as caught:
        everything(lake)
    assert str(manifest) in caught.value.what


def test_rows_must_be_complete(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    with pytest.raises(DataError, match="lack the columns close"):
        lake.write("candles_1m", "BTC", candles([1]).drop("close"))
    with pytest.raises(DataError, match="have no close"):
        lake.write("candles_1m", "BTC", candles([1]).with_columns(pl.lit(None, pl.Float64).alias("close")))
    with pytest.raises(UnknownNameError, match="candles_1m"):
        lake.write("candles_2m", "BTC", candles([1]))


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    first, second = Lake(Layout(tmp_path)), Lake(Layout(tmp_path))
    with first.writing(), pytest.raises(DataError, match=f"pid {os.getpid()}"), second.writing():
        pass
    with second.writing():
        pass


WRITER = """
import sys
from pathlib import Path
import polars as pl
from ingestion.lake import Lake
from pairity.layout import Layout
from tests.ingestion.test_lake import START, MINUTE, candles
lake = Lake(Layout(Path(sys.argv[1])))
with lake.writing():
    print("ready", flush=True)
    for start in range(0, int(sys.argv[2]) * 60, 60):
        minutes = list(range(start, start + 60))
        span = (START + start * MINUTE, START + (start + 60) * MINUTE)
        lake.write("candles_1m", "BTC", candles(minutes), covered=[span])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hours", "waits_s"),
    [(20, (0.0, 0.037)), (100, (0.0, 0.013, 0.037, 0.071, 0.11))],
)
def test_killed_at_any_moment_and_run_again_ends_with_the_same_bytes(
    tmp_path: Path, hours: int, waits_s: tuple[float, ...]
) -> None:
    def command(home: Path) -> list[str]:
        return [sys.executable, "-c", WRITER, str(home), str(hours)]

    subprocess.run(command(tmp_path / "calm"), check=True, stdout=subprocess.DEVNULL)
    killed = tmp_path / "killed"
    for wait_s in waits_s:
        with subprocess.Popen(command(killed), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(wait_s)
            process.send_signal(signal.SIGKILL)
        with Lake(Layout(killed)).writing():  # recovery alone leaves a sound lake
            Lake(Layout(killed)).verify()
    subprocess.run(command(killed), check=True, stdout=subprocess.DEVNULL)
    assert files(killed / "lake") == files(tmp_path / "calm" / "lake")
    assert Lake(Layout(killed)).snapshot_id() == Lake(Layout(tmp_path / "calm")).snapshot_id()


STEPS = ["next manifest written", "file replaced", "nothing but a temporary file"]


@pytest.mark.parametrize("step", STEPS)
def test_each_step_of_a_replacement_can_be_the_last(tmp_path: Path, step: str) -> None:
    before, after = lake_at(tmp_path / "before"), lake_at(tmp_path / "after")
    for lake in (before, after):
        lake.write("candles_1m", "BTC", candles([1]))
    after.write("candles_1m", "BTC", candles([2]))
    folder = next(list_partitions(before.root, "okx")).folder(before.root)
    done = next(list_partitions(after.root, "okx")).folder(after.root)
    if step == STEPS[2]:
        (folder / ".part.parquet.123.tmp").write_bytes(b"PAR1")
    else:
        (folder / "manifest.next.json").write_bytes((done / MANIFEST).read_bytes())
    if step == STEPS[1]:
        (folder / PART).write_bytes((done / PART).read_bytes())
        assert everything(lake_at(tmp_path / "before")).height == 2  # readers need no recovery
    Generation(tmp_path / "before" / ".lake.generation").begin(durable=False)  # as its writer did before it was killed
    before.recover()
    expected = 2 if step == STEPS[1] else 1
    assert everything(before).height == expected
    assert {path.name for path in folder.iterdir()} == {PART, MANIFEST}
    before.write("candles_1m", "BTC", candles([2]))
    assert files(before.root) == files(after.root)


def test_a_scan_of_several_instruments_is_sorted_and_bounded(tmp_path: Path) -> None:
    lake = lake_at(tmp_path)
    lake.write("candles_1m", "ETH", candles([3, 1, 200]))
    lake.write("candles_1m", "BTC", candles([2, 130]))
    found = lake.scan("candles_1m", ["ETH", "BTC", "SOL"], START + MINUTE, START + 130 * MINUTE).collect()
    assert found.select("asset", "close").rows() == [("BTC", 102.0), ("ETH", 101.0), ("ETH", 103.0)]
    assert found.columns == ["asset", *DATASETS["candles_1m"].schema]
    assert lake.scan("funding", ["BTC"], START, START + MINUTE).collect().columns[0] == "asset"
