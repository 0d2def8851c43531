"""Names that somebody planted in the lake or in a folder of files lead nowhere else: the file is refused by name."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from ingestion.lake.partitions import Partition
from ingestion.sources.folders import MinuteCsv, ParquetFolder
from ingestion.staging import Staging
from pairity.digest import digest_bytes
from pairity.errors import ConfigError, DataError, LakeCorruptError
from pairity.layout import Layout
from paper_exchange.market.recordings import survey

START = datetime(2025, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAME = "open_interest"
HOSTILE = ("../../x", "..", "", "BTC\n", "<script>", "=1+1", "a b", "x'y", "con", "é")


@pytest.fixture
def lake(tmp_path):
    written = Lake(Layout(tmp_path / "home"))
    rows = pl.DataFrame(
        [("BTC", START, 1.0, None, START)], schema={"asset": pl.String, **DATASETS[NAME].schema}, orient="row"
    )
    with written.writing(), written.batch() as batch:
        batch.write(NAME, rows, covered={"BTC": [(START, START + HOUR)]})
    return written


def rewrite(lake, change):
    """Change a commit record as somebody would who knows the format: its name fits its content again."""
    (path,) = (lake.root / "segments").rglob("*.json")
    record = json.loads(path.read_text())
    change(record)
    content = (json.dumps(record, sort_keys=True) + "\n").encode()
    path.unlink()
    planted = path.with_name(re.sub(r"-.*", f"-{digest_bytes(content)[:16]}.json", path.name))
    planted.write_bytes(content)
    return planted


def rename(record, name, level):
    entry = record["datasets"][NAME]
    if level == "file":
        entry["file"] = name
    elif level == "dataset":
        record["datasets"][name] = record["datasets"].pop(NAME)
    elif level == "asset":
        entry["partitions"] = {f"{name}/2025-04": piece for piece in entry["partitions"].values()}
    else:
        entry["partitions"] = {f"BTC/{name}": piece for piece in entry["partitions"].values()}


@pytest.mark.parametrize("level", ["file", "dataset", "asset", "month"])
@pytest.mark.parametrize("name", [*HOSTILE, "2025-4", "../../../../victim"])
def test_a_planted_commit_names_nothing_outside(lake, tmp_path, level, name):
    victim = tmp_path / "victim"
    victim.write_text("stays")
    planted = rewrite(lake, lambda record: rename(record, name, level))
    other = Lake(Layout(tmp_path / "home"))
    for use in (lambda: other.scan(NAME, ["BTC"], START, START + HOUR), other.verify, other.snapshot_id):
        with pytest.raises(LakeCorruptError, match=re.escape(str(planted))):
            use()
    with pytest.raises(LakeCorruptError), other.writing():
        other.compact()
    assert victim.read_text() == "stays"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "victim"]


@pytest.mark.parametrize(
    "folder",
    [
        "{dataset}/venue=okx/instrument=BTC/month=2025-04",
        "{dataset}/venue=okx/instrument=<b>-USDT-SWAP/month=2025-04",
        "{dataset}/venue=okx/instrument=BTC-USDT-SWAP\n/month=2025-04",
        "{dataset}/venue=okx/instrument=BTC-USDT-SWAP/month=2025-13",
        "{dataset}/venue=okx/instrument=BTC-USDT-SWAP/month=2025-4",
        "{dataset}/venue=okx/instrument=BTC-USDT-SWAP/month=٢٠٢٥-٠٤",
        "a b/venue=okx/instrument=BTC-USDT-SWAP/month=2025-04",
        "=1/venue=okx/instrument=BTC-USDT-SWAP/month=2025-04",
    ],
)
def test_folders_with_other_names_are_refused(tmp_path, folder):
    lake = Lake(Layout(tmp_path))
    (lake.root / folder.format(dataset="candles_1h")).mkdir(parents=True)
    with pytest.raises(LakeCorruptError, match=r"is no name of an? (instrument|month|identifier)"):
        lake.snapshot_id()


@pytest.mark.parametrize("name", HOSTILE)
def test_no_object_takes_a_hostile_name(tmp_path, name):
    layout = Layout(tmp_path)
    for make in (
        lambda: Lake(layout, venue=name),
        lambda: Staging(layout, venue=name),
        lambda: Partition(name, "BTC-USDT-SWAP", START),
        lambda: Partition(NAME, f"{name}-USDT-SWAP", START),
        lambda: Partition(NAME, "BTC-USDT-SWAP", START, name),
    ):
        with pytest.raises(ConfigError):
            make()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("symbol", ["<script>", "=1+1", "a b", "BTC\n", "-x", "con", "é", "\x1b[2J"])
def test_files_of_a_folder_with_other_names_are_refused_in_words(tmp_path, symbol):
    (tmp_path / f"{symbol}-USDT.parquet").write_bytes(b"")
    (tmp_path / f"{symbol}-USDT.csv.gz").write_bytes(b"")
    for refused in (
        lambda: asyncio.run(ParquetFolder(tmp_path).assets()),
        lambda: asyncio.run(MinuteCsv(tmp_path).assets()),
        lambda: survey(tmp_path),
    ):
        with pytest.raises(DataError, match="is no name of an asset") as caught:
            refused()
        assert caught.value.what.isprintable()
