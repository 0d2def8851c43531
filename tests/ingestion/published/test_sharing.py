"""Two data directories and one store: what one publishes the other reads, bit for bit, and nothing is lost."""

from __future__ import annotations

import pytest

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.offline_files import scan_view
from feature_repo.placeholders import read_placeholder
from ingestion.published import follow, publishing
from pairity.errors import ConfigError, DataError, LakeCorruptError
from pairity.layout import Layout
from pairity.settings import Settings
from tests.feature_repo.rows import as_bits
from tests.ingestion.published.homes import (
    START,
    contents,
    ingest,
    lake_of,
    make_home,
    publish_view,
    raw_rows,
)


def parquet(settings):
    root = settings.root
    return {path.relative_to(root).as_posix(): path for path in sorted(root.glob("[lf]*/**/*.parquet"))}


def work(settings, month, then):
    """Write a month, and let something happen before it is published."""
    with publishing(lake_of(settings), settings):
        lake_of(settings).write("index_1h", "BTC", raw_rows(month))
        then()


def read_view(settings):
    rows = scan_view(Layout.of(settings), ASSET_HOURLY).collect()
    return as_bits(rows.sort(rows.columns[:3]))


def test_a_new_home_has_nothing_but_the_address(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    ingest(one, "BTC", 1)
    publish_view(one, 1)
    alone = Settings(home=tmp_path / "alone")
    ingest(alone, "BTC", 1)
    publish_view(alone, 1)

    followed = follow(two)
    assert (followed.number, followed.unpublished) == (2, 0)
    assert parquet(one).keys() == parquet(two).keys() == parquet(alone).keys()
    assert all(read_placeholder(path) for path in parquet(two).values()), "bytes come when they are read"
    assert sum(name.startswith("files/") for kind, name in store.requests if kind == "read") <= 2, "listings alone"
    assert lake_of(two).snapshot_id() == lake_of(one).snapshot_id() == lake_of(alone).snapshot_id()
    assert read_view(two).equals(read_view(alone))
    assert lake_of(two).verify() == 1
    for name, path in parquet(two).items():
        assert path.read_bytes() == parquet(alone)[name].read_bytes()
    assert follow(two).files == 0


def test_two_homes_publish_different_months_in_turn(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    ingest(one, "BTC", 1)
    ingest(two, "BTC", 2)
    ingest(one, "ETH", 1)
    follow(two)
    assert contents(one) == contents(two)
    assert len(contents(one)) == 3


def test_a_publisher_that_is_overtaken_publishes_on_top(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    ingest(one, "BTC", 1)
    lake = lake_of(two)
    with publishing(lake, two) as outcome:
        lake.write("index_1h", "BTC", raw_rows(1, hours=40))
        lake.write("index_1h", "BTC", raw_rows(2))
        ingest(one, "BTC", 1, hours=35, value=1.0)
        ingest(one, "ETH", 3)
        publish_view(one, 1)
    assert outcome.publication.number == 5
    assert outcome.merged == 1, "the month that both have changed"
    assert lake_of(two).verify() == 3
    follow(one)
    assert contents(one) == contents(two)
    assert lake_of(one).scan("index_1h", ["BTC"], START, START.replace(month=2)).collect().height == 40
    assert read_view(one).equals(read_view(two))


def test_a_job_that_fails_publishes_nothing_and_loses_nothing(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    with pytest.raises(ZeroDivisionError):
        work(one, 1, lambda: 1 / 0)
    assert store.objects == {}
    follow(two)
    assert contents(two) == {}
    with publishing(lake_of(one), one):
        pass
    follow(two)
    assert contents(two) == contents(one) != {}


def test_a_store_that_is_away_is_named_and_the_job_can_be_repeated(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    ingest(one, "BTC", 1)
    with pytest.raises(DataError, match=r"s3://memory/lake cannot be used"):
        work(one, 2, lambda: setattr(store, "is_away", True))
    for job in (lambda: follow(two), lambda: ingest(two, "ETH", 1)):
        with pytest.raises(DataError, match=r"s3://memory/lake cannot be used"):
            job()
    store.is_away = False
    ingest(one, "ETH", 1)
    follow(two)
    assert len(contents(two)) == 3
    store.is_away = True
    with pytest.raises(DataError, match=r"s3://memory/lake cannot be used"):
        lake_of(two).verify()


def test_what_is_damaged_there_does_not_get_here(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    ingest(one, "BTC", 1)
    follow(two)
    name = next(name for name, content in store.objects.items() if content.startswith(b"PAR1"))
    sound = store.objects[name]
    for damaged in (sound[:-1] + b"X", sound[:-1], sound + b"X", b""):
        store.objects[name] = damaged
        with pytest.raises(LakeCorruptError, match=r"part.parquet is damaged in s3://memory/lake"):
            lake_of(two).verify()
    del store.objects[name]
    with pytest.raises(DataError, match=r"s3://memory/lake lacks .*part.parquet"):
        lake_of(two).verify()
    store.objects[name] = sound
    assert lake_of(two).verify() == 1


def test_changes_of_ones_own_are_left_alone_by_a_reader(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    with lake_of(two).writing():
        lake_of(two).write("index_1h", "SOL", raw_rows(1))
    ingest(one, "BTC", 1)
    assert follow(two).unpublished == 2
    assert len(contents(two)) == 1
    ingest(two, "SOL", 2)
    follow(one)
    assert len(contents(one)) == 3


def test_a_lost_file_of_the_lake_comes_back(store, tmp_path):
    one = make_home(tmp_path / "one")
    ingest(one, "BTC", 1)
    before = contents(one)
    path = next(iter(parquet(one).values()))
    for lost in (path, path.with_name("manifest.json")):
        lost.unlink()
    with publishing(lake_of(one), one):
        pass
    assert contents(one) == before
    assert lake_of(one).verify() == 1


def test_a_home_keeps_to_its_store(store, tmp_path):
    ingest(make_home(tmp_path / "one"), "BTC", 1)
    with pytest.raises(ConfigError, match=r"follows s3://memory/lake, and cluster.lake is not set"):
        ingest(Settings(home=tmp_path / "one"), "BTC", 1)
    store.address = "s3://memory/other"
    with pytest.raises(ConfigError, match=r"follows s3://memory/lake, and cluster.lake is s3://memory/other"):
        ingest(make_home(tmp_path / "one"), "BTC", 1)


def test_two_rows_of_one_instant_become_a_correction(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    lake = lake_of(two)
    with publishing(lake, two):
        lake.write("index_1h", "BTC", raw_rows(1, 2.0))
        ingest(one, "BTC", 1)
    follow(one)
    assert contents(one) == contents(two)
    lake, end = lake_of(one), START.replace(month=2)
    assert lake.verify() == 1
    newest, first = (lake.scan("index_1h", ["BTC"], START, end, known).collect() for known in (None, end))
    column = newest.columns[2]
    assert (newest[column] - first[column]).to_list() == [1.0] * 30, "both versions are there, each known when it came"
    assert newest["known_at"].min() > end
