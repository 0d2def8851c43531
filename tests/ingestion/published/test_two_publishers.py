"""Two publishers in any order, killed between any two requests: what is seen is that of one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.offline_files import publish, scan_view
from ingestion.lake import Lake
from ingestion.published import follow, publishing
from ingestion.published.state import ROOT
from pairity.layout import Layout
from pairity.settings import Settings
from tests.examples import examples
from tests.feature_repo.rows import as_bits, make_rows
from tests.ingestion.published.homes import contents, lake_of, make_home, raw_rows, use_store
from tests.ingestion.published.memory_store import Killed, MemoryStore

OF = {"one": (("BTC", 1, 30), ("ETH", 1, 10)), "two": (("BTC", 1, 40), ("BTC", 2, 30))}
"""Asset, month and hours that each writes: both have the first hours of one month."""


@dataclass(frozen=True)
class Event:
    """At which of its requests a job is killed, or lets the other run its own first, which may be killed as well.

    `is_late`: killed when a write has been made, and before the answer to it has come.
    """

    request: int
    is_kill: bool
    is_late: bool
    inner: int | None


EVENTS = st.builds(
    Event,
    request=st.integers(0, 14),
    is_kill=st.booleans(),
    is_late=st.booleans(),
    inner=st.one_of(st.none(), st.integers(0, 14)),
)


class Play:
    """Both homes and their jobs; whoever looks at the store after any write of the root sees a whole state."""

    def __init__(self, folder: Path, store: MemoryStore) -> None:
        self.folder, self.store = folder, store
        self.homes = {name: make_home(folder / name) for name in OF}
        self.seen: list[tuple[dict[str, str], frozenset[str]]] = []
        self.allowed = serial_states(folder)

    def run(self, name: str, event: Event | None) -> bool:
        """Run the job of a home; return whether it ended, False where it was killed."""
        other = next(one for one in OF if one != name)
        start = len(self.store.requests)

        def before(number: int) -> None:
            if event is None or number != start + event.request or (event.is_kill and event.is_late):
                return
            if event.is_kill:
                raise Killed
            inner = None if event.inner is None else Event(event.inner, True, event.is_late, None)
            own, self.store.before = self.store.after, None
            self.run(other, inner)
            self.store.after = own

        def after(number: int) -> None:
            self.look(number)
            if event is not None and event.is_kill and event.is_late and number >= start + event.request:
                raise Killed

        self.store.before, self.store.after = before, after
        try:
            job(self.homes[name], name)
        except Killed:
            return False
        finally:
            self.store.before = None
        return True

    def look(self, number: int) -> None:
        if self.store.requests[number] != ("replace", ROOT):
            return
        before, self.store.before = self.store.before, None
        after, self.store.after = self.store.after, None
        reader = make_home(self.folder / f"reader-{len(self.seen)}")
        follow(reader)
        self.seen.append(state_of(reader))
        lake_of(reader).verify()
        self.store.before, self.store.after = before, after


def job(home: Settings, name: str) -> None:
    """Write rows and features as a job does, and features again where others were faster."""
    lake = lake_of(home)
    with publishing(lake, home) as outcome:
        write(lake, home, name)
    while outcome.features_are_due:
        with publishing(lake, home) as outcome:
            write_features(home, name)


def write(lake: Lake, home: Settings, name: str) -> None:
    for asset, month, hours in OF[name]:
        lake.write("index_1h", asset, raw_rows(month, hours=hours))
    write_features(home, name)


def write_features(home: Settings, name: str) -> None:
    publish(Layout.of(home), ASSET_HOURLY, make_rows(ASSET_HOURLY, [name]))


def rows_of(home: Settings) -> pl.DataFrame:
    rows = scan_view(Layout.of(home), ASSET_HOURLY).collect()
    return as_bits(rows.sort(rows.columns[:3]))


def state_of(home: Settings) -> tuple[dict[str, str], frozenset[str]]:
    return contents(home), frozenset(rows_of(home)[ASSET_HOURLY.entity])


def serial_states(folder: Path) -> list[dict[str, str]]:
    """Contents of the lake after none, one, and both of the jobs."""
    found = []
    for number, names in enumerate(((), ("one",), ("two",), ("one", "two"), ("two", "one"))):
        alone = Settings(home=folder / f"alone-{number}")
        with lake_of(alone).writing():
            for name in names:
                write(lake_of(alone), alone, name)
        found.append(contents(alone))
    assert found[3] == found[4], "these rows have one end, whoever was first"
    return found


@settings(deadline=None, max_examples=examples(12))
@given(st.sampled_from(sorted(OF)), st.lists(EVENTS, min_size=1, max_size=4))
def test_any_order_with_kills_is_one_after_the_other(first: str, events: list[Event]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        play = Play(Path(folder), use_store(patched))
        order = [first, next(name for name in OF if name != first)]
        for number, event in enumerate(events):
            play.run(order[number % 2], event)
        for name in order:
            assert play.run(name, None)
        assert all(state in play.allowed for state, _ in play.seen), "nobody sees half of a job"
        both = frozenset(OF)
        for home in play.homes.values():
            follow(home)
            assert state_of(home) == (play.allowed[-1], both)
            assert lake_of(home).verify() == 3
        published = rows_of(play.homes["one"])
        expected = pl.concat([make_rows(ASSET_HOURLY, [name]) for name in OF])
        assert published.equals(as_bits(expected.sort(expected.columns[:3])).select(published.columns))


def test_an_answer_that_is_lost_on_the_way_is_no_lost_race(tmp_path, monkeypatch) -> None:
    store, home = use_store(monkeypatch), make_home(tmp_path / "one")
    replace = MemoryStore.replace

    def twice(self, name, content, tag, kind="replace"):
        """The client tried again after a write of which it had no answer."""
        answer = replace(self, name, content, tag, kind)
        return replace(self, name, content, tag, kind) if name == ROOT else answer

    monkeypatch.setattr(MemoryStore, "replace", twice)
    with publishing(lake_of(home), home) as outcome:
        write(lake_of(home), home, "one")
    assert (outcome.publication.number, outcome.merged, outcome.features_are_due) == (1, 0, False)
    with publishing(lake_of(home), home) as outcome:
        pass
    assert (outcome.publication.number, outcome.publication.files) == (1, 0)
    assert store.requests.count(("replace", ROOT)) == 2
