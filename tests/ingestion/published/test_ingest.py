"""`pairity ingest` in two data directories with one store: the second goes on where the first has ended."""

from __future__ import annotations

import asyncio

import pytest

from ingestion.pipeline import ingest
from ingestion.published import follow
from pairity.cluster_settings import ClusterSettings
from tests.ingestion.published.homes import ADDRESS, contents, use_store
from tests.ingestion.venue import HOUR, SINCE, UNTIL


@pytest.mark.slow
def test_two_homes_ingest_in_turn_what_one_ingests_alone(okx, tmp_path, monkeypatch):
    store = use_store(monkeypatch)

    def run(settings, since, until):
        return asyncio.run(ingest(settings, since, until, clock=okx))

    alone = okx.settings(tmp_path / "alone")
    one, two = (
        okx.settings(tmp_path / name).model_copy(update={"cluster": ClusterSettings(lake=ADDRESS)})
        for name in ("one", "two")
    )
    middle = UNTIL - 24 * HOUR
    for settings in (alone, one):
        run(settings, SINCE, middle)
    report = run(alone, middle, UNTIL)
    again = run(two, middle, UNTIL)
    assert (again.ok, again.snapshot_id, again.views) == (True, report.snapshot_id, report.views)
    follow(one)
    assert contents(one) == contents(two) == contents(alone)
    files = [
        {path.relative_to(home.root).as_posix() for path in (home.root / "features").rglob("*.parquet")}
        for home in (one, two, alone)
    ]
    assert files[0] == files[1] == files[2], "a name is the digest of a content"
    asked = len(store.requests)
    assert run(two, middle, UNTIL).snapshot_id == report.snapshot_id
    assert {kind for kind, _ in store.requests[asked:]} == {"read"}, "nothing is new, and nothing is written"
