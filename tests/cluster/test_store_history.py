"""A real S3 server that is set back, and that two clean up at once: nothing that is published or here alone is lost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from feature_repo.object_store import open_objects
from ingestion.published import follow, pruning
from ingestion.published.state import LIMITS, ROOT
from pairity.errors import DataError
from tests.cluster.conftest import set_variables
from tests.ingestion.published.homes import contents, ingest, lake_of, make_home

pytestmark = pytest.mark.cluster


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """Two homes of one store at state 2, and the store."""
    address = f"{set_variables(monkeypatch)['PAIRITY_CLUSTER__OBJECT_STORE']}/{tmp_path.name}"
    one, two = (make_home(tmp_path / name, lake=address) for name in ("one", "two"))
    ingest(one, "BTC", 1)
    ingest(one, "BTC", 1, hours=40)
    follow(two)
    return one, two, open_objects(address)


def test_a_bucket_that_was_set_back_takes_nothing_from_a_home_that_was_further(homes):
    one, two, objects = homes
    older, _ = objects.read(ROOT, LIMITS.size)
    ingest(one, "ETH", 1, 7.0)
    objects.delete([ROOT])
    assert objects.create(ROOT, older)
    for month in (1, 2, 3):
        ingest(two, "SOL", month)
    before = contents(one)
    with pytest.raises(DataError, match=r"state 5 of .* does not go on from state 3"):
        follow(one)
    assert contents(one) == before
    (one.root / ".published" / "base.json").unlink()
    ingest(one, "XRP", 1)
    follow(two)
    assert contents(two) == contents(one)
    assert lake_of(two).verify() == 6


def test_a_pruning_that_was_overtaken_stops(homes, monkeypatch):
    one, two, objects = homes
    objects.create("files/aa/left-over", b"of a killed job")
    monkeypatch.setattr(pruning, "_AT_ONCE", 1)
    swap, now, swapped = pruning.swap_root, datetime.now(UTC), []

    def overtake(*arguments):
        swapped.append(arguments)
        if len(swapped) == 3:
            pruning.prune(objects, now=now + 2 * pruning.SILENCE)
            ingest(two, "SOL", 1)  # the bytes that were BTC's
        return swap(*arguments)

    monkeypatch.setattr(pruning, "swap_root", overtake)
    with pytest.raises(DataError, match="was taken over by"):
        pruning.prune(objects, now=now)
    follow(one)
    assert lake_of(one).verify() == 2
    assert contents(one) == contents(two)
