"""Segments, their damage, and the index that spares readers the manifests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from ingestion.lake.generation import Generation
from ingestion.lake.partitions import MANIFEST, PART, Partition
from ingestion.lake.scan import plan_scan
from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from pairity.universe import inst_id
from pairity_cli.main import main

START = datetime(2025, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BEGIN, END = START - 40 * HOUR, START + 400 * HOUR
ASSETS = ("ADA", "BTC")
NAME = "open_interest"


def rows_of(hour: int, assets: tuple[str, ...] = ASSETS) -> pl.DataFrame:
    at = START + hour * HOUR
    flat = [(asset, at, float(hour), None, at) for asset in assets]
    return pl.DataFrame(flat, schema={"asset": pl.String, **DATASETS[NAME].schema}, orient="row")


def write_hour(lake: Lake, hour: int) -> None:
    covered = {asset: [(START + hour * HOUR, START + (hour + 1) * HOUR)] for asset in ASSETS}
    with lake.writing(), lake.batch() as batch:
        batch.write(NAME, rows_of(hour), covered=covered)


def times(lake: Lake) -> list[datetime]:
    return lake.scan(NAME, ["ADA"], BEGIN, END).collect()["time"].to_list()


@pytest.mark.parametrize("damage", ["truncated", "altered", "deleted"])
def test_a_damaged_segment_is_named_with_its_remedy(tmp_path: Path, damage: str) -> None:
    lake = Lake(Layout(tmp_path))
    write_hour(lake, 0)
    (segment,) = (lake.root / "segments").rglob("*.parquet")
    (record,) = (lake.root / "segments").rglob("*.json")
    content = segment.read_bytes()
    if damage == "truncated":
        segment.write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        segment.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    else:
        segment.unlink()
    for use in (lake.verify, lambda: times(lake), lambda: times(Lake(Layout(tmp_path))), lake.compact):
        with pytest.raises(LakeCorruptError, match=r"expected sha256 [0-9a-f]{64}, found") as caught:
            use()
        assert str(segment) in caught.value.what
        assert str(record) in caught.value.remedy
        assert "--since 2025-04-01T00:00 --instruments ADA,BTC" in caught.value.remedy
    # The remedy: without the record its coverage is gone too, and the next run asks again.
    record.unlink()
    again = Lake(Layout(tmp_path))
    assert again.coverage(NAME, "ADA", BEGIN, END) == ()
    write_hour(again, 0)
    assert times(again) == [START]
    assert len(list((lake.root / "segments").rglob("*.*"))) == 2


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path))
    write_hour(lake, 0)
    (record,) = (lake.root / "segments").rglob("*.json")
    record.write_text(record.read_text().replace('"rows": 1', '"rows": 2'))
    with pytest.raises(LakeCorruptError, match="its digest is not the one in its name") as caught:
        times(Lake(Layout(tmp_path)))
    assert str(record) in caught.value.what


def test_objects_see_what_others_write(tmp_path: Path) -> None:
    writer, reader = Lake(Layout(tmp_path)), Lake(Layout(tmp_path))
    assert reader.partitions() == ()
    for hour in range(4):
        write_hour(writer, hour)
        assert times(reader) == [START + h * HOUR for h in range(hour + 1)]
        assert reader.pending == hour % 2 + 1
        if hour % 2:
            with writer.writing():
                writer.compact()
            assert reader.pending == 0
        assert reader.snapshot_id() == writer.snapshot_id()
    with writer.writing():
        writer.write(NAME, "BTC", rows_of(9, ("BTC",)).drop("asset"))
    assert reader.snapshot_id() == writer.snapshot_id()


def test_manifests_are_read_once_and_again_when_a_writer_says_so(tmp_path: Path) -> None:
    writer, reader = Lake(Layout(tmp_path)), Lake(Layout(tmp_path))
    write_hour(writer, 0)
    with writer.writing():
        writer.compact()
    before = reader.snapshot_id()
    assert len(reader.coverage(NAME, "ADA", BEGIN, END)) == 1  # the file is checked here, once
    path = Partition(NAME, inst_id("ADA"), START).folder(writer.root) / MANIFEST
    content = path.read_text()
    path.write_text("{")  # a look at it would fail
    write_hour(writer, 1)
    assert reader.pending == 1
    assert reader.snapshot_id() != before
    assert len(reader.coverage(NAME, "ADA", BEGIN, END)) == 1
    path.write_text(content)
    with writer.writing():
        writer.compact()
    assert reader.snapshot_id() == writer.snapshot_id()


def test_a_writer_that_was_killed_leaves_no_stale_reader(tmp_path: Path) -> None:
    reader = Lake(Layout(tmp_path))
    write_hour(Lake(Layout(tmp_path)), 0)
    generation = Generation(tmp_path / ".lake.generation")
    generation.begin(durable=False)
    assert times(reader) == [START]
    noted = generation.read()
    with Lake(Layout(tmp_path)).writing():
        pass
    assert generation.is_settled()
    assert generation.read() != noted
    assert times(reader) == [START]


@pytest.mark.parametrize("torn", ["", "0123456789abcdef", "0123456789abcdef chan"])
def test_a_note_that_power_failure_tore_makes_the_next_writer_look(tmp_path: Path, torn: str) -> None:
    lake = Lake(Layout(tmp_path))
    write_hour(lake, 0)
    with lake.writing():
        lake.compact()
    (tmp_path / ".lake.generation").write_text(torn)
    left_over = next(lake.root.rglob(PART)).with_name(".part.parquet.1.tmp")
    left_over.touch()
    with lake.writing():
        pass
    assert not left_over.exists()
    assert Generation(tmp_path / ".lake.generation").is_settled()
    assert times(lake) == [START]


def test_a_scan_planned_before_compaction_is_the_same_after_it(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path))
    write_hour(lake, 0)
    with lake.writing(), lake.batch() as batch:
        batch.write("index_1h", index_rows(5))
    with lake.writing():
        lake.compact()
    for hour in (1, 2):
        write_hour(lake, hour)
    with lake.writing(), lake.batch() as batch:
        batch.write("index_1h", index_rows(3))  # among older rows
    plans = [lake.scan(NAME, ASSETS, BEGIN, END), lake.scan("index_1h", ASSETS, BEGIN, END)]
    before = [plan.collect() for plan in plans]
    other = Lake(Layout(tmp_path))
    for hour in (3, 4):
        with other.writing():
            other.compact()
        write_hour(other, hour)
    assert [plan.collect().rows() for plan in plans] == [frame.rows() for frame in before]
    assert before[0].height == 6
    assert before[1]["open_time"].to_list() == [START + 3 * HOUR, START + 5 * HOUR]


def test_a_commit_that_is_folded_for_one_asset_only_is_seen_for_all_or_for_none(tmp_path: Path) -> None:
    """Both in a plan that is made meanwhile, with an index from before the commit, and in one that is older."""
    writer, reader = Lake(Layout(tmp_path)), Lake(Layout(tmp_path))
    write_hour(writer, 0)
    with writer.writing():
        writer.compact()
    older = reader.scan(NAME, ASSETS, BEGIN, END)
    write_hour(writer, 1)
    with writer.writing():
        writer.write(NAME, "ADA", rows_of(0, ("ADA",)).drop("asset"))  # nothing new, but it folds what waits
    assert older.collect()["time"].to_list() == [START] * 2
    meanwhile = plan_scan(reader._state, DATASETS[NAME], ASSETS, BEGIN, END, None)
    assert meanwhile.collect()["time"].to_list() == [START, START + HOUR] * 2


def index_rows(hour: int) -> pl.DataFrame:
    at = START + hour * HOUR
    schema = {"asset": pl.String, **DATASETS["index_1h"].schema}
    return pl.DataFrame([("BTC", at, 1.0, 1.0, 1.0, 1.0, at)], schema=schema, orient="row")


def test_a_manifest_of_version_1_is_read_and_its_content_computed_once(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path))
    with lake.writing():
        lake.write(NAME, "ADA", rows_of(0, ("ADA",)).drop("asset"), covered=[(START, START + HOUR)])
        lake.write(NAME, "ETH", DATASETS[NAME].empty(), covered=[(START, START + HOUR)])
    snapshot = lake.snapshot_id()
    for path in lake.root.rglob(MANIFEST):
        fields = json.loads(path.read_text())
        del fields["content"], fields["folded"]
        path.write_text(json.dumps({**fields, "version": 1}))
    old = Lake(Layout(tmp_path))
    assert old.coverage(NAME, "ADA", BEGIN, END) == ((START, START + HOUR),)
    assert old.snapshot_id() == snapshot
    path = Partition(NAME, inst_id("ADA"), START).folder(lake.root) / MANIFEST
    assert json.loads(path.read_text())["version"] == 1  # a reader writes nothing
    with old.writing(), old.batch() as batch:
        batch.write(NAME, rows_of(1))
    with old.writing():
        old.compact()
    assert json.loads(path.read_text())["version"] == 2
    assert times(Lake(Layout(tmp_path))) == [START, START + HOUR]
    writer = Lake(Layout(tmp_path))
    with writer.writing():
        writer.snapshot_id()
    assert Lake(Layout(tmp_path)).snapshot_id() == old.snapshot_id()


def test_verification_proves_the_contents_too(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path))
    lake.write(NAME, "ADA", rows_of(0, ("ADA",)).drop("asset"))
    (path,) = lake.root.rglob(MANIFEST)
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "content": "0" * 32}))
    with pytest.raises(LakeCorruptError, match="are not the 1 that its manifest"):
        Lake(Layout(tmp_path)).verify()


def test_files_of_a_dataset_are_month_files_and_segments(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path))
    write_hour(lake, 0)
    assert [path.name for path in lake.list_files(NAME)] == ["00000001-open_interest.parquet"]
    with lake.writing():
        lake.compact()
    assert [path.name for path in lake.list_files(NAME)] == [PART, PART]
    assert lake.list_files("index_1h") == ()


def test_the_command_says_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path))
    lake = Lake(Layout(tmp_path))
    for hour in range(2):
        write_hour(lake, hour)
    snapshot = lake.snapshot_id()
    said = CliRunner().invoke(main, ["compact"]).output
    assert said == f"lake: folded 4 rows of 2 commits into 2 partitions and deleted 4 files; snapshot {snapshot}\n"
    assert CliRunner().invoke(main, ["compact"]).output == "nothing waits for compaction\n"
    with lake.writing():
        refused = CliRunner().invoke(main, ["compact"])
    assert refused.exit_code == 4
    assert "is writing to" in refused.output
