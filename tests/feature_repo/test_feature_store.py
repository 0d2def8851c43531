"""The store as pairity uses it: apply, history, online write and read, and that history equals online."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from feast import FeatureStore, RepoConfig

from feature_repo.catalog import ASSET_HOURLY, MARKET_STATE, PAIR_FOREST_FEATURES, PAIR_HOURLY, SERVICES, VIEWS
from feature_repo.feature_store import apply_definitions, open_store, read_historical, read_online, write_online
from feature_repo.offline_files import TIME, keep_newest, make_schema, publish, scan_view
from pairity.errors import ConfigError, DataError, JoinError, MissingDataError, UnknownNameError
from pairity.settings import FeatureSettings, Settings
from tests.feature_repo.rows import HOUR, START, TICK, as_bits, make_rows

SECOND = timedelta(seconds=1)


def decisions(entity: str, rows: list[tuple[str, datetime]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={entity: pl.String, "event_timestamp": TIME}, orient="row")


def test_apply_registers_the_catalogue_once(settings, store):
    assert {view.name for view in store.list_feature_views()} == set(VIEWS)
    assert {service.name for service in store.list_feature_services()} == set(SERVICES)
    assert not apply_definitions(settings, store)
    assert not apply_definitions(settings, open_store(settings))


def test_apply_notices_a_changed_definition_and_drops_what_is_gone(settings, store):
    other = Settings(home=settings.home, features=FeatureSettings(ttl_hours=5))
    assert apply_definitions(other, store)
    hourly = {view.name for view in VIEWS.values() if view.every == timedelta(hours=1)}
    assert {view.ttl for view in store.list_feature_views() if view.name in hourly} == {timedelta(hours=5)}
    service = store.get_feature_service("market_state_v1")
    service.name = "gone_v0"
    store.apply([service])
    assert apply_definitions(other, store)
    assert {service.name for service in store.list_feature_services()} == set(SERVICES)


def test_every_service_projects_its_features_in_the_catalogues_order(store):
    for service in SERVICES.values():
        (projection,) = store.get_feature_service(service.name).feature_view_projections
        assert tuple(feature.name for feature in projection.features) == service.features


def test_history_keeps_rows_order_and_passengers(layout, store):
    rows = make_rows(PAIR_HOURLY, hours=range(6))
    publish(layout, PAIR_HOURLY, rows)
    asked = decisions(
        "pair_id", [("B", START + 3 * HOUR), ("Z", START + HOUR), ("A", START - HOUR), ("B", START + 3 * HOUR)]
    ).with_columns(pl.Series("label", [1, None, 0, 1]), weight=pl.lit(0.5))
    asked = asked.with_columns(pl.col("event_timestamp") + 30 * SECOND)
    answer = read_historical(store, PAIR_FOREST_FEATURES.name, asked)
    assert answer.columns == [*asked.columns, *PAIR_FOREST_FEATURES.features]
    assert answer.select(asked.columns).equals(asked)
    nulls = answer.select(pl.all_horizontal(pl.col(PAIR_FOREST_FEATURES.features).is_null())).to_series()
    assert nulls.to_list() == [False, True, True, False]
    stored = rows.filter(pair_id="B", event_timestamp=START + 3 * HOUR).select(PAIR_FOREST_FEATURES.features)
    assert as_bits(answer[0:1].select(PAIR_FOREST_FEATURES.features)).equals(as_bits(stored))


def test_history_shows_a_correction_only_from_when_it_was_known(layout, store):
    rows = make_rows(ASSET_HOURLY, entities=["A"], hours=[0]).with_columns(close=pl.lit(1.0))
    publish(layout, ASSET_HOURLY, rows)
    publish(layout, ASSET_HOURLY, rows.with_columns(pl.col("created_timestamp") + HOUR, close=pl.lit(2.0)))
    asked = decisions("asset", [("A", START), ("A", START + TICK), ("A", START + HOUR), ("A", START + HOUR + TICK)])
    assert read_historical(store, MARKET_STATE.name, asked)["close"].to_list() == [None, 1.0, 1.0, 2.0]


def test_history_of_nothing_published_and_of_no_rows_is_null_and_empty(store):
    types = make_schema(ASSET_HOURLY)
    answer = read_historical(store, MARKET_STATE.name, decisions("asset", [("A", START)]))
    assert answer.height == 1
    assert answer.select(MARKET_STATE.features).null_count().row(0) == (1,) * len(MARKET_STATE.features)
    assert [answer.schema[name] for name in MARKET_STATE.features] == [types[name] for name in MARKET_STATE.features]
    empty = read_historical(store, MARKET_STATE.name, decisions("asset", []))
    assert (empty.height, empty.columns) == (0, ["asset", "event_timestamp", *MARKET_STATE.features])


def test_history_refuses_what_it_cannot_answer(settings, store):
    with pytest.raises(UnknownNameError, match="market_state_v1"):
        read_historical(store, "market_state", decisions("asset", []))
    with pytest.raises(ConfigError, match="have columns called close"):
        read_historical(store, MARKET_STATE.name, decisions("asset", [("A", START)]).with_columns(close=1.0))
    untouched = open_store(Settings(home=settings.root.parent / "other"))
    with pytest.raises(MissingDataError, match=r"market_state_v1 is not registered in .*registry.db"):
        read_historical(untouched, MARKET_STATE.name, decisions("asset", [("A", START)]))
    with pytest.raises(MissingDataError, match="asset_hourly is not registered"):
        read_online(untouched, MARKET_STATE.name, ["A"])


@pytest.mark.filterwarnings("ignore:Downcasting object dtype arrays:FutureWarning")  # that store's own pandas code
@pytest.mark.parametrize(
    ("hours", "came"), [([1, 9], 1), ([1, 1], 1), ([2, 1], 2)], ids=["dropped", "collapsed", "reordered"]
)
def test_an_offline_store_that_loses_or_reorders_rows_is_found_out(settings, layout, store, hours, came):
    """Feast's default store does all three; training on its answer would pair labels with others' features."""
    publish(layout, ASSET_HOURLY, make_rows(ASSET_HOURLY, ["A"]))
    config = store.config.model_dump(by_alias=True, exclude_unset=True) | {"offline_store": {"type": "dask"}}
    careless = FeatureStore(config=RepoConfig(**config))
    asked = decisions("asset", [("A", START + hour * HOUR + TICK) for hour in hours])
    assert read_historical(store, MARKET_STATE.name, asked).height == 2
    with pytest.raises(JoinError, match=f"2 entity rows went into the join with market_state_v1, {came} came out of"):
        read_historical(careless, MARKET_STATE.name, asked)


def test_asking_online_for_nobody_is_an_empty_frame(store):
    answer = read_online(store, MARKET_STATE.name, [])
    assert (answer.height, answer.schema["close"]) == (0, pl.Float64)
    assert write_online(store, "asset_hourly", make_rows(ASSET_HOURLY)[:0]) == 0


def test_online_rows_come_back_bit_for_bit_with_both_times(store):
    rows = make_rows(PAIR_HOURLY, entities=[f"P{i}" for i in range(40)], hours=[7], seed=5)
    assert write_online(store, "pair_hourly", rows) == 40
    names = ["P3", "nobody", "P0", "P3"]
    answer = read_online(store, PAIR_FOREST_FEATURES.name, names)
    columns = ["pair_id", "event_timestamp", "created_timestamp", *PAIR_FOREST_FEATURES.features]
    assert answer.schema == pl.Schema({name: make_schema(PAIR_HOURLY)[name] for name in columns})
    assert answer["pair_id"].to_list() == names
    assert answer["event_timestamp"].to_list() == [START + 7 * HOUR, None, START + 7 * HOUR, START + 7 * HOUR]
    expected = pl.DataFrame({"pair_id": names}).join(rows, on="pair_id", how="left", maintain_order="left")
    assert as_bits(answer).equals(as_bits(expected.select(columns)))


@pytest.mark.parametrize("value", [float("nan"), -0.0, 5e-324, float("-inf"), None, 0.1 + 0.2])
def test_special_values_survive_both_trips(layout, store, value):
    rows = make_rows(ASSET_HOURLY, entities=["A"], hours=[0])
    rows = rows.with_columns(pl.Series("close", [value], dtype=pl.Float64))
    publish(layout, ASSET_HOURLY, rows)
    write_online(store, "asset_hourly", rows)
    online = read_online(store, MARKET_STATE.name, ["A"]).select("close")
    offline = read_historical(store, MARKET_STATE.name, decisions("asset", [("A", START + HOUR)])).select("close")
    assert as_bits(online).equals(as_bits(offline))
    assert as_bits(online).equals(as_bits(rows.select("close")))


@pytest.mark.parametrize("hours", [0.5, 2, 2 + 1 / 3600, 2.5, 48])
def test_online_rows_at_an_instant_are_those_that_history_joins_to_it(layout, store, hours):
    """A decision that comes late has no features, in the trading process and in the proof of parity alike."""
    rows = make_rows(ASSET_HOURLY, entities=["A", "B"], hours=[3, 4])
    publish(layout, ASSET_HOURLY, rows)
    write_online(
        store, "asset_hourly", rows.filter((pl.col("asset") == "A") | (pl.col("event_timestamp") == START + 3 * HOUR))
    )
    at = START + 4 * HOUR + hours * HOUR
    online = read_online(store, MARKET_STATE.name, ["A", "nobody"], at=at)
    offline = read_historical(store, MARKET_STATE.name, decisions("asset", [("A", at), ("nobody", at)]))
    features = list(MARKET_STATE.features)
    assert as_bits(online.select(features)).equals(as_bits(offline.select(features)))
    assert (online["event_timestamp"][0] is None) is (hours > 2)
    older = read_online(store, MARKET_STATE.name, ["A", "B"], at=START + 5 * HOUR + HOUR)
    assert older["event_timestamp"].to_list() == [START + 4 * HOUR, None]


def test_a_row_of_nulls_replaces_the_values_before_it(store):
    rows = make_rows(ASSET_HOURLY, entities=["A"], hours=[0, 1])
    nulls = rows[1:].with_columns(
        pl.lit(None, make_schema(ASSET_HOURLY)[name]).alias(name) for name in MARKET_STATE.features
    )
    write_online(store, "asset_hourly", rows[:1])
    assert write_online(store, "asset_hourly", nulls) == 1
    answer = read_online(store, MARKET_STATE.name, ["A"])
    assert answer.select(nulls.columns).equals(nulls)


def test_an_older_row_never_replaces_a_newer_one(store):
    old, new = (make_rows(ASSET_HOURLY, entities=["A"], hours=[hour], seed=hour) for hour in (1, 2))
    correction = new.with_columns(pl.col("created_timestamp") + SECOND, close=pl.lit(7.0))
    written = [write_online(store, "asset_hourly", rows) for rows in (new, old, correction, new, correction)]
    assert written == [1, 0, 1, 0, 1]
    assert as_bits(read_online(store, MARKET_STATE.name, ["A"]).select(new.columns)).equals(as_bits(correction))


def test_the_online_store_itself_refuses_to_go_back(store):
    """Two processes may both have found an older row before they write: the write decides."""
    from feature_repo.feature_store import _rows_as_protos

    old, new = (make_rows(ASSET_HOURLY, entities=["A"], hours=[hour], seed=hour) for hour in (1, 2))
    view = store.get_feature_view("asset_hourly")
    for rows in (new, old):
        store.provider.online_write_batch(store.config, view, _rows_as_protos(ASSET_HOURLY, rows), None)
    assert as_bits(read_online(store, MARKET_STATE.name, ["A"]).select(new.columns)).equals(as_bits(new))


def test_one_call_writes_the_newest_of_its_rows(store):
    rows = make_rows(ASSET_HOURLY, hours=range(5)).sample(fraction=1, shuffle=True, seed=1)
    assert write_online(store, "asset_hourly", rows) == 2
    assert read_online(store, MARKET_STATE.name, "AB")["event_timestamp"].to_list() == [START + 4 * HOUR] * 2
    with pytest.raises(DataError, match="lack close, return_1h"):
        write_online(store, "asset_hourly", rows.drop("close", "return_1h"))


def test_a_deleted_online_database_is_an_empty_one(settings, store):
    write_online(store, "asset_hourly", make_rows(ASSET_HOURLY))
    (settings.root / "feast" / "online.db").unlink()
    again = open_store(settings)
    assert read_online(again, MARKET_STATE.name, ["A"])["event_timestamp"].to_list() == [None]
    assert write_online(again, "asset_hourly", make_rows(ASSET_HOURLY)) == 2


@pytest.mark.slow
def test_stored_times_do_not_depend_on_the_machines_time_zone(settings, store):
    """New York's clocks go forward at 07:00 UTC on 9 March 2025: 02:30 local does not exist, 02:30 UTC does."""
    event = datetime(2025, 3, 9, 2, 30, tzinfo=UTC)
    rows = make_rows(ASSET_HOURLY, entities=["A"], hours=[0]).with_columns(
        pl.lit(event).cast(TIME).alias("event_timestamp"),
        pl.lit(event + 7 * TICK).cast(TIME).alias("created_timestamp"),
    )
    write_online(store, "asset_hourly", rows)
    code = f"""
        from feature_repo.feature_store import open_store, read_online
        from pairity.settings import Settings
        rows = read_online(open_store(Settings(home={str(settings.root)!r})), "market_state_v1", ["A"])
        print(*rows.select("event_timestamp", "created_timestamp").row(0), sep="\\n")
    """
    environment = {**os.environ, "TZ": "America/New_York", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    seen = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split("\n")
    assert [datetime.fromisoformat(line) for line in seen[:2]] == [event, event + 7 * TICK]


def test_history_equals_what_was_online_at_every_decision(layout, store):
    """The present, replayed: rows arrive late, corrected and out of order; at 240 decisions both stores agree."""
    rng = random.Random(11)
    names = ["A", "B", "C"]
    arrivals: list[tuple[datetime, pl.DataFrame]] = []
    for hour in range(60):
        lag = timedelta(seconds=rng.choice([1, 20, 20, 900, 4000]))
        arrivals.append((START + hour * HOUR + lag, make_rows(PAIR_HOURLY, names, [hour], seed=hour, lag=lag)))
        if rng.random() < 0.3:
            late = lag + timedelta(seconds=rng.choice([1, 600, 9000]))
            arrivals.append((START + hour * HOUR + late, make_rows(PAIR_HOURLY, names, [hour], seed=-hour, lag=late)))
    arrivals.sort(key=lambda arrival: arrival[0])
    moments = [START + quarter * HOUR / 4 + 30 * SECOND for quarter in range(240)]
    service, seen = PAIR_FOREST_FEATURES, []
    for moment in moments:
        while arrivals and arrivals[0][0] <= moment:
            _, rows = arrivals.pop(0)
            publish(layout, PAIR_HOURLY, rows)
            write_online(store, "pair_hourly", rows)
        seen.append(read_online(store, service.name, names).with_columns(pl.lit(moment).cast(TIME).alias("at")))
    online = pl.concat(seen)
    asked = online.select("pair_id", event_timestamp="at")
    offline = read_historical(store, service.name, asked)
    ttl = store.get_feature_view("pair_hourly").ttl
    fresh = (pl.col("at") - pl.col("event_timestamp") <= ttl).fill_null(False)
    shown = online.with_columns(pl.when(fresh).then(pl.col(name)).alias(name) for name in service.features)
    assert as_bits(offline.select(service.features)).equals(as_bits(shown.select(service.features)))
    assert online.filter(fresh).height > 600
    assert keep_newest(scan_view(layout, PAIR_HOURLY), PAIR_HOURLY).collect().height == 180
