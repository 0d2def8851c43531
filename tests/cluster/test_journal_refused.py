"""A PostgreSQL that runs and takes no writes: the trading process guards with the reason, and goes on by itself."""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from functools import partial

import pytest

from pairity.configuration import load_settings
from pairity.errors import JournalWriteError
from pairity.layout import Layout
from serving.error_states import choose_state
from serving.journal import Journal, StateRecord, TradingState
from tests.cluster.conftest import use_own_database
from tests.cluster.refusing_postgres import full_disk, no_slots, read_only, refuses_rows
from tests.cluster.test_journal_serving import DAILY, place_of
from tests.serving.books.book_scene import BookScene, book_scene
from tests.serving.books.test_book_process import check_equal_to_backtest
from tests.serving.trading import RUN, T0

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]
WAYS = {"read_only": read_only, "no_slots": no_slots, "full_disk": full_disk}
MARK = StateRecord(T0, TradingState.TRADING, "x" * 500)
CODES = {
    "53100": "make room on the disk",
    "53200": "memory",
    "53300": "max_connections",
    "25006": "name the primary",
    "53400": "start PostgreSQL again",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A journal's place in a database of its own: nothing else shares its settings."""
    use_own_database(monkeypatch)
    return Layout.of(load_settings(home=tmp_path / "home")).journal_place


class Refused(Journal):
    """A journal whose server refuses after one of its commits, and is mended after some refusals."""

    refuse_at = 60
    commits = refusals = 0
    refusal = None

    @contextmanager
    def _begin(self):
        try:
            with super()._begin() as connection:
                yield connection
        except JournalWriteError:
            self.refusals += 1
            if self.refusals == 4:
                self.refusal.mend()
            raise
        self.commits += 1
        if self.commits == self.refuse_at:
            self.refusal.begin()


@pytest.mark.parametrize("way", sorted(WAYS))
def test_the_trading_process_guards_with_the_reason_and_goes_on(tmp_path, place, way, monkeypatch):
    monkeypatch.setattr(BookScene, "read", lambda scene: Journal.read(place_of(scene)))
    opened = []

    def open_refused(path, refusal):
        journal = Refused.open(path)
        journal.refusal = refusal
        opened.append(journal)
        return journal

    with WAYS[way](place) as refusal, book_scene(tmp_path / "home", serve=DAILY) as scene:
        scene.trade(2, open_journal=partial(open_refused, refusal=refusal))
        assert opened[0].refusals >= 4
        check_equal_to_backtest(scene, 2)
        journal = scene.read()
        states = [(state.state, state.reason) for state in journal.states.all()]
        journal.close()
    told = [reason for state, reason in states if state is TradingState.GUARDING]
    assert any("cannot be used now" in reason and refusal.said in reason for reason in told), states
    assert TradingState.HALTED not in dict(states)


def fill_pages(journal):
    """Write until the pages that the table has already are full."""
    for _ in range(500):
        journal.states.record(MARK)


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_write_that_is_refused_is_not_there_and_the_next_one_is(place, way):
    with WAYS[way](place) as refusal:
        journal = Journal.open(place)
        journal.record_run(RUN)
        refusal.begin()
        with contextlib.suppress(JournalWriteError):
            journal.states.record(MARK)  # a connection that was cut is noticed by the first write
        with pytest.raises(JournalWriteError, match=refusal.said) as refused:
            fill_pages(journal)
        assert refusal.remedy in refused.value.remedy
        assert choose_state(refused.value) is TradingState.GUARDING
        if way == "no_slots":
            with pytest.raises(JournalWriteError, match=refusal.said):
                Journal.read(place)
        else:
            reader = Journal.read(place)
            before = len(reader.states.all())
            reader.close()
        refusal.mend()
        journal.states.record(MARK)
        after = len(journal.states.all())
        assert after == (1 if way == "no_slots" else before + 1)
        journal.close()


@pytest.mark.parametrize("way", ["read_only", "no_slots"])
def test_a_process_that_starts_meanwhile_is_told_why(place, way):
    Journal.open(place).close()
    with WAYS[way](place) as refusal:
        refusal.begin()
        with pytest.raises(JournalWriteError, match=refusal.said) as refused:
            Journal.open(place)
        assert refusal.remedy in refused.value.remedy
        refusal.mend()
        Journal.open(place).close()


@pytest.mark.parametrize("code", CODES)
def test_each_code_of_a_want_of_room_passes_and_names_its_remedy(place, code):
    journal = Journal.open(place)
    with refuses_rows(place, code, f"refused with {code}") as refusal:
        refusal.begin()
        with pytest.raises(JournalWriteError, match=f"refused with {code}") as refused:
            journal.states.record(MARK)
        assert CODES[code] in refused.value.remedy
        refusal.mend()
        journal.states.record(MARK)
    assert len(journal.states.all()) == 1
    journal.close()
