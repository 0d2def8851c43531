"""Batches and compaction: any sequence of changes leaves the rows, coverage and contents that a slow model has."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feature_repo.raw_datasets import DATASETS
from ingestion.lake import Lake
from ingestion.lake.batch import Batch
from ingestion.lake.content import content_text
from ingestion.lake.partitions import Partition
from pairity.digest import digest_parts
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.timeline import month_key
from pairity.universe import inst_id, short_name
from tests.examples import examples
from tests.oracles.lake_rows import ClashError, LakeRows

# Two hours on both sides of the end of a month.
START = datetime(2025, 3, 31, 23, 50, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BEGIN, END = START - timedelta(days=40), START + timedelta(days=40)
ASSETS = ("ADA", "BTC", "ETH")
NAMES = ("index_1h", "open_interest")
PROPERTY = settings(
    deadline=None, max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass(frozen=True)
class Change:
    """Rows (asset, minute, value, known minute) and coverage (asset, from, length) of one dataset."""

    dataset: str
    rows: tuple[tuple[str, int, float | None, int], ...]
    covered: tuple[tuple[str, int, int], ...]
    arrived: int | None


ROWS = st.tuples(st.sampled_from(ASSETS), st.integers(0, 20), st.sampled_from([1.0, 2.0, None]), st.integers(0, 40))
COVERED = st.tuples(st.sampled_from(ASSETS), st.integers(0, 20), st.integers(0, 6))
CHANGES = st.builds(
    Change,
    dataset=st.sampled_from(NAMES),
    rows=st.lists(ROWS, max_size=12).map(tuple),
    covered=st.lists(COVERED, max_size=3).map(tuple),
    arrived=st.one_of(st.none(), st.integers(30, 90)),
)
STEPS = st.lists(
    st.one_of(
        st.lists(CHANGES, min_size=1, max_size=3).map(lambda changes: ("batch", changes)),
        CHANGES.map(lambda change: ("large batch", [change])),
        CHANGES.map(lambda change: ("write", [change])),
        st.sampled_from([("compact", []), ("compact older", []), ("reopen", []), ("read", [])]),
    ),
    max_size=9,
)


def values_of(dataset: str, value: float | None) -> tuple[float | None, ...]:
    """All values of a row; only a nullable column can be null."""
    kind = DATASETS[dataset]
    return tuple(value if name in kind.nullable else (value or 7.0) for name in kind.values)


def rows_of(change: Change) -> list[tuple[str, datetime, tuple, datetime]]:
    return [
        (asset, START + minute * MINUTE, values_of(change.dataset, value), START + known * MINUTE)
        for asset, minute, value, known in change.rows
    ]


def frame_of(dataset: str, rows: list[tuple[str, datetime, tuple, datetime]]) -> pl.DataFrame:
    schema = {"asset": pl.String, **DATASETS[dataset].schema}
    flat = [(asset, at, *values, known_at) for asset, at, values, known_at in rows]
    return pl.DataFrame(flat, schema=schema, orient="row")


def spans_of(change: Change) -> dict[str, list[tuple[datetime, datetime]]]:
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    for asset, first, length in change.covered:
        spans.setdefault(asset, []).append((START + first * MINUTE, START + (first + length) * MINUTE))
    return spans


def arrival_of(change: Change) -> datetime | None:
    return None if change.arrived is None else START + change.arrived * MINUTE


def model_write(model: LakeRows, change: Change) -> dict[str, int]:
    added = model.write(change.dataset, rows_of(change), arrival_of(change))
    for asset, spans in spans_of(change).items():
        for span in spans:
            model.cover(change.dataset, asset, *span)
    return added


def write_singly(lake: Lake, change: Change) -> dict[str, int]:
    """The same change with one `Lake.write` per instrument."""
    rows = frame_of(change.dataset, rows_of(change))
    return {
        asset: lake.write(
            change.dataset,
            asset,
            rows.filter(asset=asset).drop("asset"),
            covered=spans_of(change).get(asset, ()),
            arrived_at=arrival_of(change),
        )
        for asset in ASSETS
    }


def months_of(model: LakeRows) -> Iterator[tuple[str, str, str]]:
    yield from sorted({(name, asset, f"{at:%Y-%m}") for (name, asset, at), rows in model.versions.items() if rows})


def flat(rows: list) -> list[tuple]:
    return [tuple(x for item in row for x in (item if isinstance(item, tuple) else (item,))) for row in rows]


def assert_holds(lake: Lake, model: LakeRows) -> None:
    """Everything that the lake can be asked is what the model says."""
    middle = START + 10 * MINUTE
    for name in NAMES:
        for since, until, known_by in ((BEGIN, END, None), (START + 5 * MINUTE, middle, None), (BEGIN, END, middle)):
            expected = [row for asset in ASSETS for row in model.newest(name, asset, since, until, known_by)]
            found = lake.scan(name, ASSETS, since, until, known_by).collect()
            assert found.rows() == flat(expected)
            assert found.columns == ["asset", *DATASETS[name].schema]
        for asset in ASSETS:
            covered = {at for since, until in lake.coverage(name, asset, BEGIN, END) for at in seconds(since, until)}
            assert covered == model.covered[name, asset]
    columns = {name: list(DATASETS[name].schema) for name in NAMES}
    contents = {
        (name, asset, month): model.content(name, asset, month, columns[name])
        for name, asset, month in months_of(model)
    }
    assert contents == {
        (part.dataset, short_name(part.instrument), month_key(part.month)): content
        for part, content in lake.contents().items()
    }
    path = "{}/venue=okx/instrument={}/month={}"
    assert lake.snapshot_id() == digest_parts(
        (path.format(name, inst_id(asset), month), content_text(content))
        for (name, asset, month), content in contents.items()
    )
    for part in lake.partitions():
        versions = model.month(part.dataset, short_name(part.instrument), month_key(part.month))
        assert lake.versions(part).rows() == flat(versions)
        manifest = lake.manifest(part)
        times = [row[0] for row in versions]
        assert (manifest.rows, manifest.superseded) == (len(times), len(times) - len(set(times)))
        assert (manifest.first, manifest.last) == (min(times, default=None), max(times, default=None))


def seconds(since: datetime, until: datetime) -> Iterator[datetime]:
    while since < until:
        yield since
        since += timedelta(seconds=1)


TAKEN_IN = (("ADA", 0, 1.0, 0),)


@PROPERTY
@given(steps=STEPS)
@example(
    steps=[
        ("batch", [Change(dataset="index_1h", rows=TAKEN_IN, covered=(), arrived=None)]),
        ("batch", [Change(dataset="open_interest", rows=TAKEN_IN, covered=(), arrived=None)]),
        ("large batch", [Change(dataset="open_interest", rows=TAKEN_IN, covered=(), arrived=None)]),
        ("compact older", []),
    ]
)
def test_any_sequence_of_changes_leaves_what_the_model_has(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[Change]]]
) -> None:
    layout, other = Layout(tmp_path_factory.mktemp("lake")), Layout(tmp_path_factory.mktemp("singly"))
    lake, singly = Lake(layout, durable=False), Lake(other, durable=False)
    reader = Lake(layout, durable=False)
    model = LakeRows()
    for kind, changes in steps:
        if kind == "compact":
            lake.compact()
            assert lake.pending == 0
        elif kind == "compact older":
            waiting = lake.pending
            lake.compact(keep=1)
            # The newest goes too where a write into month files has taken its rows in already.
            assert lake.pending <= min(waiting, 1)
        elif kind == "reopen":
            lake = Lake(layout, durable=False)
        elif kind == "read":
            assert_holds(reader, model)
        else:
            before = copy.deepcopy(model)
            try:
                added = [model_write(model, change) for change in changes]
            except ClashError:
                model = before
                with pytest.raises(DataError, match="two different rows"):
                    write_batch(lake, changes)
                continue
            for change in changes:
                write_singly(singly, change)
            if kind == "write":
                counts = [write_singly(lake, changes[0])]
            else:
                counts = write_batch(lake, changes, segment_rows=0 if kind == "large batch" else 1000)
            assert [{asset: n for asset, n in one.items() if n} for one in counts] == added
    assert_holds(lake, model)
    assert_holds(reader, model)
    assert lake.snapshot_id() == singly.snapshot_id()
    partitions = len(lake.partitions())
    assert lake.verify() == partitions
    lake.compact()
    assert_holds(lake, model)
    assert_holds(reader, model)
    assert lake.verify() == partitions
    assert parts(lake) == parts(singly)
    assert not list((lake.root / "segments").rglob("*.*"))


def write_batch(lake: Lake, changes: list[Change], segment_rows: int = 1000) -> list[dict[str, int]]:
    with lake.batch(segment_rows=segment_rows) as batch:
        return [
            batch.write(
                change.dataset,
                frame_of(change.dataset, rows_of(change)),
                covered=spans_of(change),
                arrived_at=arrival_of(change),
            )
            for change in changes
        ]


def parts(lake: Lake) -> dict[str, bytes]:
    return {str(path.relative_to(lake.root)): path.read_bytes() for path in lake.root.rglob("part.parquet")}


def candle_rows(hour: int, shift: float = 0.0) -> pl.DataFrame:
    """One row of open interest per asset at an hour."""
    at = START + timedelta(hours=hour)
    return frame_of("open_interest", [(asset, at, (float(n) + shift, None), at) for n, asset in enumerate(ASSETS)])


def test_a_batch_is_one_file_and_one_record_and_nothing_without_news(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path))
    with lake.writing():
        with lake.batch() as batch:
            assert batch.write("open_interest", candle_rows(0)) == dict.fromkeys(ASSETS, 1)
        names = sorted(path.name for path in lake.root.rglob("*.*") if path.is_file())
        assert [name[:8] for name in names] == ["00000001", "00000001"]
        assert names[0].endswith("-open_interest.parquet") or names[1].endswith("-open_interest.parquet")
        with lake.batch() as batch:
            assert batch.write("open_interest", candle_rows(0)) == dict.fromkeys(ASSETS, 0)
        assert lake.pending == 1


def test_an_error_in_the_block_leaves_the_lake_as_it_was(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path))
    with lake.writing():
        with pytest.raises(DataError, match="do not all say"):
            write_and_fail(lake)
        assert lake.partitions() == ()


def write_and_fail(lake: Lake) -> None:
    with lake.batch() as batch:
        batch.write("open_interest", candle_rows(0))
        batch.write("open_interest", candle_rows(1).drop("asset"))


def test_coverage_without_rows_waits_too(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path))
    span = (START, START + timedelta(hours=1))
    with lake.writing():
        with lake.batch() as batch:
            batch.write("open_interest", DATASETS["open_interest"].empty_of_assets(), covered={"SOL": [span]})
        assert lake.coverage("open_interest", "SOL", BEGIN, END) == (span,)
        assert lake.snapshot_id() == Lake(Layout(tmp_path / "empty")).snapshot_id()
        assert len(lake.partitions()) == 2
        with lake.batch() as batch:
            batch.write("open_interest", DATASETS["open_interest"].empty_of_assets(), covered={"SOL": [span]})
        assert lake.pending == 1
        report = lake.compact()
        assert (report.commits, report.rows, report.partitions, report.files) == (1, 0, 2, 1)
        assert lake.coverage("open_interest", "SOL", BEGIN, END) == (span,)


def test_numbers_of_commits_never_come_again(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path))
    for hour in range(3):
        with Lake(Layout(tmp_path)).writing():
            pass
        lake = Lake(Layout(tmp_path))
        with lake.writing():
            with lake.batch() as batch:
                batch.write("open_interest", candle_rows(hour))
            lake.compact()
    folded = {lake.manifest(part).folded for part in lake.partitions()}
    assert max(folded) == 3
    assert lake.scan("open_interest", ASSETS, BEGIN, END).collect().height == 9


def test_a_write_into_a_partition_with_pending_rows_folds_them_first(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path), durable=False)
    with lake.batch() as batch:
        batch.write("open_interest", candle_rows(0))
    lake.write("open_interest", "BTC", candle_rows(1).filter(asset="BTC").drop("asset"))
    assert lake.scan("open_interest", ["BTC"], BEGIN, END).collect().height == 2
    partition = Partition("open_interest", inst_id("BTC"), datetime(2025, 4, 1, tzinfo=UTC))
    assert lake.manifest(partition).rows == 1
    assert lake.pending == 1
    again = Lake(Layout(tmp_path))
    assert again.scan("open_interest", ASSETS, BEGIN, END).collect().height == 4
    assert again.snapshot_id() == lake.snapshot_id()
    lake.compact()
    assert again.scan("open_interest", ASSETS, BEGIN, END).collect().height == 4


def test_a_batch_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    lake = Lake(Layout(tmp_path))
    index = frame_of("index_1h", [("BTC", START, (1.0,) * 4, START)])
    with lake.writing():
        obstacle = lake.root / "segments" / "venue=okx" / "00000001-open_interest.parquet"
        obstacle.mkdir(parents=True)
        batch = Batch(lake._state)
        batch.write("index_1h", index)
        batch.write("open_interest", candle_rows(0))
        with pytest.raises(OSError, match="open_interest"):
            batch.commit()
        assert lake.partitions() == ()
        assert list(obstacle.parent.iterdir()) == [obstacle]
        obstacle.rmdir()
        batch.commit()
        assert lake.pending == 1
    assert lake.verify() == 4


def count_collects(run: Callable[[], object]) -> int:
    """How many queries Polars executes during a call."""
    count = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_name == "collect" and "polars" in frame.f_code.co_filename

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def test_queries_and_files_do_not_depend_on_the_number_of_instruments(tmp_path: Path) -> None:
    counts = []
    for number in (3, 40):
        assets = [f"A{n:02d}" for n in range(number)]
        lake = Lake(Layout(tmp_path / str(number)))

        def write(hour: int, shift: float, lake: Lake = lake, assets: list[str] = assets) -> None:
            at = START + timedelta(hours=hour)
            rows = [(asset, at, (float(n) + shift, None), at) for n, asset in enumerate(assets)]
            covered = {asset: [(at, at + timedelta(hours=1))] for asset in assets}
            with lake.batch() as batch:
                batch.write("open_interest", frame_of("open_interest", rows), covered=covered, arrived_at=END)

        with lake.writing():
            write(0, 0.0)
            new = count_collects(lambda: write(1, 0.0))
            corrected = count_collects(lambda: write(0, 1.0))
            lake.compact()
            in_files = count_collects(lambda: write(1, 1.0))
            write(2, 1.0)
            files = len([path for path in (lake.root / "segments").rglob("*.*") if path.is_file()])
        read = count_collects(lambda lake=lake, assets=assets: lake.scan("open_interest", assets, BEGIN, END).collect())
        counts.append((new, corrected, in_files, read, files))
        found = lake.scan("open_interest", assets, BEGIN, END).collect()
        assert found["open_interest"].to_list() == [float(n) + 1 for n in range(number) for _ in range(3)]
    assert counts[0] == counts[1]
    assert counts[0][-1] == 4
