"""The embedded online store: newest values win in any order of writes, for Feast's reads as for our own."""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta

import polars as pl
import pytest
from feast import FeatureStore, RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_HOURLY, MARKET_STATE, PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.feature_store import open_store, read_online, write_online
from feature_repo.online_store import NewestSqliteOnlineStore
from tests.examples import examples
from tests.feature_repo.rows import HOUR, START, TICK, as_bits, make_rows
from tests.feature_repo.stores import ASOF, FAST, at, open_small_store
from tests.oracles.newest_values import NewestValues

FIELDS = {"x": "double_val", "n": "int64_val", "s": "string_val"}
CELLS = {
    "x": st.sampled_from([None, 0.0, -0.0, 1.5, float("inf")]),
    "n": st.sampled_from([None, 0, -(2**63), 7]),
    "s": st.sampled_from([None, "", "BTC", "Ω"]),
}
ENTITIES = ("A", "B")
WRITES = st.lists(
    st.tuples(
        st.sampled_from(ENTITIES),
        st.integers(0, 2),
        st.none() | st.integers(0, 2),
        st.sampled_from(["x", "n", "s", "xn", "xns", "xns", "ns"]).flatmap(
            lambda names: st.fixed_dictionaries({name: CELLS[name] for name in names})
        ),
        st.booleans(),
    ),
    max_size=12,
)


def entity_key(name: str) -> EntityKey:
    return EntityKey(join_keys=["asset"], entity_values=[Value(string_val=name)])


def as_value(name: str, cell: object) -> Value:
    return Value() if cell is None else Value(**{FIELDS[name]: cell})


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return open_small_store(tmp_path_factory.mktemp("small"), ASOF)


@settings(max_examples=examples(150), deadline=None)
@given(WRITES, st.integers(1, 4))
def test_the_newest_value_wins_in_any_order_of_whole_and_partial_writes(small, writes, batch):
    small.provider.online_store._get_conn(small.config).execute("DROP TABLE IF EXISTS small_fast")
    compare_with_oracle(small, writes, batch)


def compare_with_oracle(small, writes, batch):
    """Write to the empty view `fast` of a small store, read it in every way, and compare with the oracle."""
    online, view = small.provider.online_store, small.get_feature_view("fast")
    oracle, waiting = NewestValues(), []

    def flush() -> None:
        online.online_write_batch(small.config, view, list(waiting), None)
        waiting.clear()

    for asset, event, created, cells, as_frame in writes:
        known = None if created is None else at(event + created)
        oracle.write(asset, at(event), known, cells)
        if as_frame and known is not None:
            flush()
            times = {"event_timestamp": at(event), "created_timestamp": known}
            schema = {name: FAST[name] for name in ("asset", *times, *cells)}
            online.write_frame(small.config, view, pl.DataFrame([{"asset": asset, **times, **cells}], schema=schema))
        else:
            waiting.append((entity_key(asset), {n: as_value(n, c) for n, c in cells.items()}, at(event), known))
            if len(waiting) == batch:
                flush()
    flush()

    names = [*ENTITIES, "nobody", "A"]
    for features in (["x"], ["s", "n"], ["x", "n", "s"]):
        expected = [oracle.read(name, features) for name in names]
        stored = online.online_read_known(small.config, view, [entity_key(name) for name in names], features)
        assert [(event, created) for event, created, _ in stored] == [(e, c) for e, c, _ in expected]
        for (*_, values), (*_, cells) in zip(stored, expected, strict=True):
            assert (values is None) == (cells is None)
            for name, cell in (cells or {}).items():
                assert values[name].SerializeToString() == as_value(name, cell).SerializeToString()
        read = online.online_read(small.config, view, [entity_key(name) for name in names], features)
        assert [event for event, _ in read] == [event for event, _, _ in expected]
        schema = {name: FAST[name] for name in ("asset", "event_timestamp", "created_timestamp", *features)}
        frame = online.read_frame(small.config, view, names, schema)
        if frame is not None:
            rows = [
                (n, e, c, *((v or {}).get(f) for f in features)) for n, (e, c, v) in zip(names, expected, strict=True)
            ]
            assert as_bits(frame).equals(as_bits(pl.DataFrame(rows, schema=schema, orient="row")))


def test_feasts_own_read_gives_the_same_bits(store):
    rows = make_rows(PAIR_HOURLY, entities=[f"P{i}" for i in range(30)], hours=[7], seed=5)
    write_online(store, "pair_hourly", rows)
    names = ["P3", "nobody", "P0", "P3"]
    ours = read_online(store, PAIR_FOREST_FEATURES.name, names)
    response = store.get_online_features(
        store.get_feature_service(PAIR_FOREST_FEATURES.name), [{"pair_id": name} for name in names]
    )
    columns = response.to_dict()
    types = {name: ours.schema[name] for name in PAIR_FOREST_FEATURES.features}
    theirs = pl.DataFrame({name: columns[name] for name in types}, schema=types)
    assert as_bits(ours.select(*types)).equals(as_bits(theirs))
    seconds = [stamp.seconds for stamp in response.proto.results[1].event_timestamps]
    assert seconds == [int((START + 7 * HOUR).timestamp()) if name != "nobody" else 0 for name in names]


def test_both_ways_of_reading_agree_where_features_were_written_apart(store):
    whole = make_rows(ASSET_HOURLY, entities=["A", "B"], hours=[1])
    write_online(store, "asset_hourly", whole)
    view, key = store.get_feature_view("asset_hourly"), entity_key("A")
    later = START + 2 * HOUR
    store.provider.online_write_batch(store.config, view, [(key, {"close": Value(double_val=7.0)}, later, later)], None)
    answer = read_online(store, MARKET_STATE.name, ["A", "B"])
    expected = whole.with_columns(close=pl.when(asset="A").then(7.0).otherwise("close"))
    assert as_bits(answer.select(whole.columns)).equals(as_bits(expected))
    # The next whole row leaves nothing of the part behind.
    newer = make_rows(ASSET_HOURLY, entities=["A", "B"], hours=[3])
    assert write_online(store, "asset_hourly", newer) == 2
    assert as_bits(read_online(store, MARKET_STATE.name, ["A", "B"]).select(newer.columns)).equals(as_bits(newer))
    assert count_rows(store, "pairity_asset_hourly") == 2


def test_a_feature_that_was_never_stored_is_null(store):
    view = store.get_feature_view("asset_hourly")
    row = (entity_key("A"), {"close": Value(double_val=7.0)}, START, START)
    store.provider.online_write_batch(store.config, view, [row], None)
    answer = read_online(store, MARKET_STATE.name, ["A"])
    assert answer["close"].to_list() == [7.0]
    assert answer.select(MARKET_STATE.features).drop("close").null_count().row(0) == (1,) * (answer.width - 4)


def test_features_that_are_not_declared_any_more_are_forgotten(tmp_path):
    small = open_small_store(tmp_path, ASOF)
    view = small.get_feature_view("fast")
    values = {"x": Value(double_val=1.0), "n": Value(int64_val=3), "s": Value(string_val="BTC")}
    small.provider.online_write_batch(small.config, view, [(entity_key("A"), values, at(1), at(2))], None)
    only_n = {"n": Value(int64_val=4)}
    small.provider.online_write_batch(small.config, view, [(entity_key("A"), only_n, at(2), at(2))], None)
    view.features = [field for field in view.features if field.name != "n"]
    small.provider.online_store.update(small.config, [], [view], [], [], partial=True)
    (known,) = small.provider.online_store.online_read_known(small.config, view, [entity_key("A")])
    assert known == (at(1), at(2), {"x": values["x"], "s": values["s"]})
    assert count_rows(small, "small_fast") == 1
    small.provider.online_store.update(small.config, [view], [], [], [], partial=True)
    assert small.provider.online_store.online_read(small.config, view, [entity_key("A")]) == [(None, None)]


def test_a_database_of_feasts_layout_keeps_its_values_and_times(settings, store):
    """As earlier versions wrote it: a row per value, some of them newer than the others."""
    rows = make_rows(ASSET_HOURLY, entities=["A", "B", "C"], hours=[2], seed=4)
    newer = {("B", "close"): START + 5 * HOUR, ("C", "close"): START + 3 * HOUR}
    path = settings.root / "feast" / "online.db"
    del store
    path.unlink()
    with sqlite3.connect(path) as old:
        old.execute(
            "CREATE TABLE pairity_asset_hourly (entity_key BLOB, feature_name TEXT, value BLOB, value_text TEXT, "
            "vector_value BLOB, event_ts timestamp, created_ts timestamp, PRIMARY KEY(entity_key, feature_name))"
        )
        old.execute("CREATE INDEX pairity_asset_hourly_ek ON pairity_asset_hourly (entity_key)")
        fields = {"float64": "double_val", "int64": "int64_val", "string": "string_val"}
        for row in rows.iter_rows(named=True):
            key = serialize_entity_key(entity_key(row["asset"]), entity_key_serialization_version=3)
            for feature in ASSET_HOURLY.features:
                cell = row[feature.name]
                value = Value() if cell is None else Value(**{fields[feature.dtype]: cell})
                event = newer.get((row["asset"], feature.name), row["event_timestamp"])
                ticks = [
                    (instant - START.fromtimestamp(0, START.tzinfo)) // timedelta(microseconds=1)
                    for instant in (event, event + TICK)
                ]
                old.execute(
                    "INSERT INTO pairity_asset_hourly VALUES (?, ?, ?, NULL, NULL, ?, ?)",
                    (key, feature.name, value.SerializeToString(), *ticks),
                )
    old.close()
    again = open_store(settings)
    answer = read_online(again, MARKET_STATE.name, ["A", "B", "C"])
    assert as_bits(answer.select(rows.columns)).equals(as_bits(rows))
    next_hour = make_rows(ASSET_HOURLY, entities=["A", "B", "C"], hours=[4], seed=6)
    assert write_online(again, "asset_hourly", next_hour) == 3
    answer = read_online(again, MARKET_STATE.name, ["A", "B", "C"]).select(rows.columns)
    # B's close is of hour 5: newer than the row, and the row keeps the oldest time of its features.
    kept = rows.filter(asset="B")["close"][0]
    expected = next_hour.with_columns(close=pl.when(asset="B").then(kept).otherwise("close"))
    assert as_bits(answer).equals(as_bits(expected))


def test_a_reader_beside_a_writer_sees_whole_rows_that_never_grow_older(settings, store):
    names = [f"A{i}" for i in range(40)]
    hours, done, errors = range(1, 60), threading.Event(), []
    blank = make_rows(ASSET_HOURLY, entities=names, hours=[0])

    def rows_of(hour: int) -> pl.DataFrame:
        numbers = [feature.name for feature in ASSET_HOURLY.features if feature.dtype == "float64"]
        times = [pl.lit(START + hour * HOUR).cast(blank.schema[name]).alias(name) for name in blank.columns[1:3]]
        return blank.with_columns(*times, *(pl.lit(float(hour)).alias(name) for name in numbers))

    def write() -> None:
        try:
            own = open_store(settings)
            for hour in hours:
                write_online(own, "asset_hourly", rows_of(hour))
        except Exception as error:  # noqa: BLE001 - shown by the test itself
            errors.append(error)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    last, seen = [0.0] * len(names), set()
    while True:
        ended = done.is_set()
        answer = read_online(store, MARKET_STATE.name, names)
        closes = [close or 0.0 for close in answer["close"]]
        events = [0.0 if event is None else (event - START) / HOUR for event in answer["event_timestamp"]]
        assert closes == events
        assert (answer["close"].eq_missing(answer["return_1h"])).all()
        assert all(new >= old for new, old in zip(closes, last, strict=True))
        last = closes
        seen |= set(closes)
        if ended:
            break
    writer.join()
    assert errors == []
    assert last == [59.0] * len(names)
    assert len(seen) > 2


def test_a_log_that_was_left_behind_does_not_bring_deleted_rows_back(settings, store):
    write_online(store, "asset_hourly", make_rows(ASSET_HOURLY))
    path = settings.root / "feast" / "online.db"
    log = path.with_name("online.db-wal")
    left = log.read_bytes()
    assert left
    store.provider.online_store._conn.close()
    path.unlink()
    log.write_bytes(left)
    assert read_online(open_store(settings), MARKET_STATE.name, ["A"])["event_timestamp"].to_list() == [None]


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")  # that store's own connection
def test_a_store_without_whole_rows_is_written_and_read_through_feast(store, tmp_path):
    config = store.config.model_dump(by_alias=True, exclude_unset=True)
    config |= {"online_store": {"type": "sqlite", "path": str(tmp_path / "theirs.db")}}
    theirs = FeatureStore(config=RepoConfig(**config))
    assert not isinstance(theirs.provider.online_store, NewestSqliteOnlineStore)
    theirs.provider.online_store.update(theirs.config, [], theirs.list_feature_views(), [], [], partial=True)
    old, new = (make_rows(ASSET_HOURLY, entities=["A", "B"], hours=[hour], seed=hour) for hour in (1, 2))
    assert [write_online(theirs, "asset_hourly", rows) for rows in (new, old, new)] == [2, 0, 2]
    answer = read_online(theirs, MARKET_STATE.name, ["A", "B"])
    assert as_bits(answer.select(MARKET_STATE.features)).equals(as_bits(new.select(MARKET_STATE.features)))
    theirs.provider.online_store._conn.close()


def count_rows(store: FeatureStore, table: str) -> int:
    connection = store.provider.online_store._get_conn(store.config)
    return connection.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()[0]
