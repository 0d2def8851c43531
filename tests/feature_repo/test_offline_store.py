"""Feast's interfaces of the as-of store beyond the join's values."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from feast import FeatureService, FeatureView, Field, FileSource
from feast.data_source import RequestSource
from feast.errors import RequestDataNotFoundInEntityDfException
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.offline_files import make_schema, scan_view
from pairity.errors import ConfigError, DataError, LakeCorruptError
from tests.feature_repo.rows import as_bits, make_rows
from tests.feature_repo.stores import ASOF, at, open_small_store, write_rows


def row(asset: str, event: float, x: float, *, created: float | None = None) -> dict:
    known = event if created is None else created
    return {"asset": asset, "event_timestamp": at(event), "created_timestamp": at(known), "x": x, "n": int(x), "s": "s"}


@pytest.fixture
def small(tmp_path):
    write_rows(tmp_path, "fast", [row("A", 1, 1.0), row("A", 2, 2.0), row("B", 1, 3.0), row("A", 2, 9.0, created=3)])
    return open_small_store(tmp_path, ASOF)


def labels(*rows: tuple[str | None, float]) -> pd.DataFrame:
    return pd.DataFrame({"asset": [name for name, _ in rows], "event_timestamp": [at(hours) for _, hours in rows]})


def source_of(store, name: str = "fast"):
    return store.get_feature_view(name).batch_source


def test_every_form_of_the_answer_is_the_same(small):
    job = small.get_historical_features(labels(("B", 1.5), ("A", 2.5)), ["fast:x", "fast:n"])
    assert job.to_df()["x"].tolist() == [3.0, 9.0]
    assert job.to_arrow()["n"].to_pylist() == [3, 9]
    assert job.to_polars().schema["event_timestamp"] == pl.Datetime("us", "UTC")
    assert job.metadata.features == ["fast:x", "fast:n"]
    assert job.metadata.keys == ["asset"]
    assert (job.metadata.min_event_timestamp, job.metadata.max_event_timestamp) == (at(1.5), at(2.5))
    with pytest.raises(ConfigError, match="runs no SQL"):
        job.to_sql()


def test_full_feature_names_and_renamed_join_keys(small):
    job = small.get_historical_features(labels(("A", 1)), ["fast:x"], full_feature_names=True)
    assert job.to_df().columns.tolist() == ["asset", "event_timestamp", "fast__x"]
    view = small.get_feature_view("fast")
    both = [view.with_name("base").with_join_key_map({"asset": "base_asset"}), view.with_name("quote")]
    both[1].projection.join_key_map = {"asset": "quote_asset"}
    service = FeatureService(name="legs", features=[item[["x"]] for item in both])
    small.apply([service])
    asked = pd.DataFrame({"base_asset": ["A", "B"], "quote_asset": ["B", "Z"], "event_timestamp": [at(1.5)] * 2})
    answer = small.get_historical_features(
        asked, small.get_feature_service("legs"), full_feature_names=True
    ).to_polars()
    assert answer.select("base__x", "quote__x").rows() == [(1.0, 3.0), (3.0, None)]


def test_null_keys_categories_indexes_and_other_columns(small):
    asked = labels(("A", 1), (None, 1), ("B", 1)).assign(note=["x", "y", None], w=[1, 2, 3])
    asked.index = [7, 7, 7]
    asked["asset"] = asked["asset"].astype("category")
    answer = small.get_historical_features(asked, ["fast:x"]).to_polars()
    assert answer["x"].to_list() == [1.0, None, 3.0]
    assert answer.select("note", "w").rows() == [("x", 1), ("y", 2), (None, 3)]
    assert asked.index.tolist() == [7, 7, 7]


def test_empty_labels_give_typed_empty_columns(small):
    asked = labels(("A", 1))[:0].astype({"asset": "object"})
    answer = small.get_historical_features(asked, ["fast:x", "fast:n", "fast:s"]).to_polars()
    assert answer.height == 0
    assert [answer.schema[name] for name in "xns"] == [pl.Float64, pl.Int64, pl.String]


def test_a_view_without_files_answers_typed_nulls(small):
    answer = small.get_historical_features(labels(("A", 1)), ["slow:y", "fast:x"]).to_polars()
    assert answer.select("y", "x").rows() == [(None, 1.0)]
    assert answer.schema["y"] == pl.Float64


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("SELECT 1", "entity rows as str: the as-of store runs no SQL"),
        (None, "a retrieval without entity rows"),
        (
            labels(("A", 1)).rename(columns={"event_timestamp": "ts"}),
            "lack the column event_timestamp; they have asset",
        ),
        (labels(("A", 1)).rename(columns={"asset": "coin"}), "lack the join keys asset; they have coin"),
        (labels(("A", 1)).assign(event_timestamp=pd.NaT), "1 entity rows have no event_timestamp"),
    ],
    ids=["sql", "none", "no time", "no key", "null time"],
)
def test_entity_rows_that_cannot_be_joined_are_refused(small, asked, message):
    options = {} if asked is not None else {"start_date": at(0), "end_date": at(1)}
    with pytest.raises(ConfigError, match=message):
        small.get_historical_features(asked, ["fast:x"], **options)


def test_a_column_that_is_there_already_is_not_overwritten(small):
    with pytest.raises(ConfigError, match="the columns x exist already"):
        small.get_historical_features(labels(("A", 1)).assign(x=0.0), ["fast:x"]).to_df()


@pytest.mark.filterwarnings("ignore:On demand feature view is an experimental feature:RuntimeWarning")
def test_on_demand_views_are_computed_on_top(small):
    view = small.get_feature_view("fast")
    request = RequestSource(name="request", schema=[Field(name="weight", dtype=Float64)])

    @on_demand_feature_view(sources=[view, request], schema=[Field(name="weighted", dtype=Float64)])
    def weighted(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"weighted": inputs["x"] * inputs["weight"]})

    small.apply([weighted])
    asked = labels(("A", 1), ("B", 1))
    answer = small.get_historical_features(asked.assign(weight=[2.0, 3.0]), ["weighted:weighted"]).to_polars()
    assert answer["weighted"].to_list() == [2.0, 9.0]
    with pytest.raises(RequestDataNotFoundInEntityDfException):
        small.get_historical_features(asked, ["weighted:weighted"])


@pytest.mark.filterwarnings("ignore:Saving dataset is an experimental feature:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Retrieving datasets is an experimental feature:RuntimeWarning")
def test_a_retrieval_can_be_kept(small, tmp_path):
    job = small.get_historical_features(labels(("A", 1), ("A", 1)), ["fast:x"])
    storage = SavedDatasetFileStorage(path=str(tmp_path / "kept" / "set.parquet"))
    job.persist(storage)
    assert pl.read_parquet(tmp_path / "kept" / "set.parquet")["x"].to_list() == [1.0, 1.0]
    with pytest.raises(DataError, match="exists"):
        job.persist(storage)
    job.persist(storage, allow_overwrite=True)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["set.parquet"]
    dataset = small.create_saved_dataset(job, "kept", SavedDatasetFileStorage(path=str(tmp_path / "again.parquet")))
    assert dataset.to_df()["x"].tolist() == [1.0, 1.0]


def test_pull_latest_is_the_newest_version_within_the_range(small):
    def pull(start: float, end: float) -> list[tuple]:
        job = small.provider.offline_store.pull_latest_from_table_or_query(
            small.config, source_of(small), ["asset"], ["x"], "event_timestamp", "created_timestamp", at(start), at(end)
        )
        return sorted(job.to_polars().select("asset", "x").rows())

    assert pull(0, 5) == [("A", 9.0), ("B", 3.0)]
    assert pull(1, 1) == [("A", 1.0), ("B", 3.0)]
    assert pull(2, 2) == [("A", 9.0)]
    assert pull(3, 5) == []


def test_pull_all_keeps_every_version(small):
    job = small.provider.offline_store.pull_all_from_table_or_query(
        small.config,
        source_of(small),
        ["asset"],
        ["x"],
        "event_timestamp",
        "created_timestamp",
        at(2).replace(tzinfo=None),
        None,
    )
    assert sorted(job.to_arrow()["x"].to_pylist()) == [2.0, 9.0]


def test_files_with_naive_and_coarser_times_are_read_as_utc(tmp_path):
    write_rows(tmp_path, "fast", [row("A", 1, 1.0)])
    path = tmp_path / "features" / "fast" / "month=2025-03" / "part.parquet"
    times = ["event_timestamp", "created_timestamp"]
    pl.read_parquet(path).with_columns(pl.col(times).dt.replace_time_zone(None).dt.cast_time_unit("ns")).write_parquet(
        path
    )
    store = open_small_store(tmp_path, ASOF)
    answer = store.get_historical_features(labels(("A", 1), ("A", 0.9)), ["fast:x"], filter_by_created_timestamp=True)
    assert answer.to_df()["x"].fillna(-1).tolist() == [1.0, -1.0]


def test_sources_are_checked_where_files_exist(tmp_path, small):
    store = small.provider.offline_store
    store.validate_data_source(small.config, source_of(small))
    store.validate_data_source(small.config, source_of(small, "slow"))
    pattern = str(tmp_path / "features" / "fast" / "month=*" / "*.parquet")
    wrong = FileSource(name="wrong", path=pattern, timestamp_field="when")
    with pytest.raises(DataError, match="the files of wrong lack when; they have asset"):
        store.validate_data_source(small.config, wrong)
    with pytest.raises(ConfigError, match="reads local files, not s3://bucket"):
        store.validate_data_source(small.config, FileSource(name="far", path="s3://bucket/x.parquet"))


def test_a_file_that_was_cut_is_reported(tmp_path, small):
    path = tmp_path / "features" / "fast" / "month=2025-03" / "part.parquet"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(LakeCorruptError, match=r"part\.parquet is cut short"):
        small.get_historical_features(labels(("A", 1)), ["fast:x"]).to_df()


def test_rows_written_through_feast_are_appended(layout, store):
    rows = make_rows(ASSET_HOURLY)
    shown = rows.to_pandas()
    store.write_to_offline_store("asset_hourly", shown[: len(shown) // 2])
    first = {path: path.read_bytes() for path in layout.features.rglob("*.parquet")}
    store.write_to_offline_store("asset_hourly", shown)
    assert all(path.read_bytes() == content for path, content in first.items())
    key = ["asset", "event_timestamp"]
    stored = scan_view(layout, ASSET_HOURLY).collect().sort(key)
    assert as_bits(stored).equals(as_bits(rows.sort(key)))
    with pytest.raises(ValueError, match="missing_expected_columns: \\['close'\\]"):
        store.write_to_offline_store("asset_hourly", shown.drop(columns="close"))


def test_progress_is_told(layout, store):
    told: list[int] = []
    view = store.get_feature_view("asset_hourly")
    table = make_rows(ASSET_HOURLY).to_arrow()
    assert isinstance(table, pa.Table)
    store.provider.offline_store.offline_write_batch(store.config, view, table, told.append)
    assert told == [8]


def test_columns_of_a_view_are_known_before_its_first_file(store):
    view: FeatureView = store.get_feature_view("asset_hourly")
    columns = store.provider.get_table_column_names_and_types_from_data_source(store.config, view.batch_source)
    assert [name for name, _ in columns] == list(make_schema(ASSET_HOURLY))
