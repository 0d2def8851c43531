"""What a trading process reads in its first cycle is here before it begins; where that fails, the old state stays."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from feature_repo.placeholders import read_placeholder
from ingestion.due_months import find_first_input
from ingestion.pipeline import Pipeline
from ingestion.pipeline import ingest as run_ingest
from ingestion.published import follow
from ingestion.published.checkout import locate_ahead
from ingestion.published.session import open_directory
from ingestion.published.state import PublishedFile
from pairity.durable import replace_file
from pairity.errors import DataError
from tests.ingestion.published.homes import ADDRESS, contents, ingest, lake_of, make_home
from tests.ingestion.venue import HOUR, SINCE, UNTIL, synthetic, venue

SINCE_MARCH = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture
def homes(store, tmp_path):
    one, two = make_home(tmp_path / "one"), make_home(tmp_path / "two")
    for month in (1, 3):
        ingest(one, "BTC", month, value=month)
        ingest(one, "NOT", month, value=month + 7.0)
    return one, two


def late(settings):
    """Names of the lake's files whose bytes are not here."""
    names = sorted(path.parent.as_posix() for path in settings.root.rglob("part.parquet") if read_placeholder(path))
    return ["/".join(name.split("/")[-2:]) for name in names]


OTHERS = [f"instrument={name}-USDT-SWAP/month=2025-0{month}" for name, month in (("BTC", 1), ("NOT", 1), ("NOT", 3))]


def test_the_months_and_names_that_are_needed_are_fetched_and_no_others(homes, store):
    _, two = homes
    assert follow(two, SINCE_MARCH).files == 8
    assert late(two) == OTHERS
    assert not (two.root / ".published" / "ahead").exists()
    assert lake_of(two).verify() == 4


def test_what_was_taken_over_before_is_fetched_too(homes, store):
    _, two = homes
    follow(two)
    assert len(late(two)) == 4
    follow(two, SINCE_MARCH)
    assert late(two) == OTHERS


def test_a_store_that_goes_away_meanwhile_leaves_the_old_state(homes, store):
    one, two = homes
    follow(two, SINCE_MARCH)
    before, number = contents(two), open_directory(two).read_base().number
    for value, name in ((1, "ETH"), (2, "SOL")):
        ingest(one, name, 3, value=value + 20.0)
    start, requests = len(store.requests), 0
    while True:

        def cut(request, at=start + requests):
            if request >= at:
                raise DataError("the object store cannot be used", "start it")

        store.before = cut
        try:
            follow(two, SINCE_MARCH)
        except DataError:
            store.before = None
            assert (contents(two), open_directory(two).read_base().number) == (before, number)
            assert open_directory(two).read_target() is None
            assert late(two) == OTHERS
            start, requests = len(store.requests), requests + 1
        else:
            break
    store.before = None
    assert requests > 2
    assert late(two) == OTHERS
    assert contents(two) == contents(one)


def test_bytes_that_were_torn_while_they_waited_are_not_put_in_place(homes, store, monkeypatch):
    _, two = homes
    follow(two)
    place = next(path for path in two.root.rglob("part.parquet") if read_placeholder(path))
    stands_for = read_placeholder(place)
    directory = open_directory(two)
    file = PublishedFile(stands_for.size, stands_for.sha256)
    replace_file(locate_ahead(directory, file), bytes(stands_for.size))
    (directory.folder / "base.json").unlink()
    place.unlink()
    follow(two)
    assert read_placeholder(place) == stands_for
    assert lake_of(two).verify() == 4


def test_the_first_cycle_asks_nothing_of_the_store(store, tmp_path):
    with venue(synthetic()) as okx:
        following = {"cluster": {"lake": ADDRESS}}
        one, two = (type(made).model_validate(made.model_dump() | following) for made in map(okx.settings, ("a", "b")))
        one, two = one.model_copy(update={"home": tmp_path / "one"}), two.model_copy(update={"home": tmp_path / "two"})
        asyncio.run(run_ingest(one, SINCE, UNTIL, clock=okx))
        ingest(one, "BTC", 1)
        follow(two, find_first_input(UNTIL.replace(day=1, hour=0)))
        assert late(two) == ["instrument=BTC-USDT-SWAP/month=2025-01"]
        okx.step_to(UNTIL + HOUR)
        store.is_away, asked = True, len(store.requests)

        async def cycle():
            async with Pipeline(two, okx) as pipeline:
                report = await pipeline.run(SINCE, UNTIL + HOUR, live=True)
                return report, pipeline.work_ahead(UNTIL + HOUR)

        report, problems = asyncio.run(cycle())
        assert problems == []
        assert sum(view.new_rows for view in report.views) > 0
        assert len(store.requests) == asked
