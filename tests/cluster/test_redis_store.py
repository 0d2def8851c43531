"""The cluster's online store: the embedded store's rules and bits, in Redis."""

from __future__ import annotations

import polars as pl
import pytest
from feast.protos.feast.core.FeatureView_pb2 import FeatureView
from hypothesis import HealthCheck, given
from hypothesis import settings as examples_of
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from feature_repo.catalog import PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.feature_store import apply_definitions, open_store, read_online, write_online
from pairity.errors import DataError, LakeCorruptError
from tests.examples import examples
from tests.feature_repo.rows import HOUR, START, as_bits, make_rows
from tests.feature_repo.stores import ASOF, open_small_store
from tests.feature_repo.test_online_store import WRITES, compare_with_oracle

pytestmark = pytest.mark.cluster


@pytest.fixture
def client(variables):
    import redis  # of the extra: this module is read where it is not installed

    with redis.Redis.from_url(
        variables["PAIRITY_CLUSTER__REDIS"], password=variables["PAIRITY_CLUSTER__REDIS_PASSWORD"]
    ) as opened:
        opened.flushdb()
        yield opened


@pytest.fixture
def small(client, variables, tmp_path):
    online = {
        "type": "feature_repo.redis_online_store.NewestRedisOnlineStore",
        "address": variables["PAIRITY_CLUSTER__REDIS"],
        "password": variables["PAIRITY_CLUSTER__REDIS_PASSWORD"],
    }
    return open_small_store(tmp_path, ASOF, online)


@examples_of(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WRITES, st.integers(1, 4))
def test_the_newest_value_wins_in_any_order_of_whole_and_partial_writes(small, client, writes, batch):
    client.flushdb()
    compare_with_oracle(small, writes, batch)


@pytest.fixture
def store(settings, client):
    opened = open_store(settings)
    assert apply_definitions(settings, opened)
    return opened


def test_definitions_lie_in_postgresql_and_values_in_redis(store, settings, client):
    assert not apply_definitions(settings, open_store(settings)), "the second time nothing has changed"
    rows = make_rows(PAIR_HOURLY, entities=[f"P{i}" for i in range(45)], hours=[7, 8], seed=5)
    assert write_online(store, "pair_hourly", rows) == 45
    assert write_online(store, "pair_hourly", rows) == 45, "the same rows may be written again"
    late = rows.filter(pl.col("event_timestamp") == START + 7 * HOUR)
    assert write_online(store, "pair_hourly", late) == 0, "an older hour replaces nothing"
    names = ["P3", "nobody", "P0", "P3"]
    read = read_online(open_store(settings), PAIR_FOREST_FEATURES.name, names)
    newest = rows.filter(pl.col("event_timestamp") == START + 8 * HOUR)
    expected = pl.DataFrame({"pair_id": names}).join(newest, on="pair_id", how="left", maintain_order="left")
    assert as_bits(read).equals(as_bits(expected.select(read.columns)))
    stale = read_online(store, PAIR_FOREST_FEATURES.name, names, at=START + 11 * HOUR)
    assert stale["event_timestamp"].null_count() == 4, "the TTL of two hours is over"
    response = store.get_online_features(
        store.get_feature_service(PAIR_FOREST_FEATURES.name), [{"pair_id": name} for name in names]
    ).to_dict()
    theirs = pl.DataFrame({n: response[n] for n in PAIR_FOREST_FEATURES.features}, schema_overrides=dict(read.schema))
    assert as_bits(read.select(theirs.columns)).equals(as_bits(theirs))


def test_a_wrong_password_and_a_redis_that_is_gone_are_named(settings, store):
    wrong = settings.model_copy(
        update={"cluster": settings.cluster.model_copy(update={"redis": "redis://127.0.0.1:1/0"})}
    )
    with pytest.raises(DataError, match=r"the online store redis://127\.0\.0\.1:1/0 does not answer: .*refused"):
        read_online(open_store(wrong), PAIR_FOREST_FEATURES.name, ["P0"])
    bare = settings.model_copy(update={"cluster": settings.cluster.model_copy(update={"redis_password": None})})
    with pytest.raises(DataError, match="refuses the password") as refused:
        read_online(open_store(bare), PAIR_FOREST_FEATURES.name, ["P0"])
    assert settings.cluster.redis_password.get_secret_value() not in str(refused.value)


def test_a_registry_with_code_in_it_is_refused(store, settings):
    engine = create_engine(settings.cluster.make_postgres_address("feast"), poolclass=NullPool)
    with engine.begin() as connection:
        content = connection.execute(
            text("SELECT feature_view_proto FROM feature_views WHERE feature_view_name = 'pair_hourly'")
        ).scalar_one()
        changed = FeatureView.FromString(content)
        changed.spec.batch_source.data_source_class_type = "os.system"
        connection.execute(
            text("UPDATE feature_views SET feature_view_proto = :content WHERE feature_view_name = 'pair_hourly'"),
            {"content": changed.SerializeToString()},
        )
    with pytest.raises(LakeCorruptError, match=r"registry in PostgreSQL 127\.0\.0\.1.* names a class .*os\.system"):
        open_store(settings)
