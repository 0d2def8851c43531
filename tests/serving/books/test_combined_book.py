"""A combination, traded by a version: its members decide in the process as in the backtest, between decisions too."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from pairity.books.families import BOOK_FAMILIES
from pairity.errors import ConfigError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import from_ms
from serving.books.parts import choose_book
from serving.journal.book_records import book_from_json, book_to_json
from tests.model_registry.book_fits import make_fit
from tests.serving.books.book_scene import DAY, FIRST, book_scene, publish_funding
from tests.serving.books.test_book_champion import OPTIONS, make_champion, read_versions
from tests.serving.books.test_book_process import Killed, check_equal_to_backtest, open_mortal
from tests.serving.books.test_learnt_book import EVERYTHING, MADE_AT, plan_days, read_decided
from training.books.combined import WalkForwardBooks

EQUAL, SHRUNK = "combined_equal", "combined_shrunk"
MEMBERS = BOOK_FAMILIES[EQUAL].members
OFTEN = {**OPTIONS, "serve": {**OPTIONS["serve"], "interval_minutes": 480}, "universe": EVERYTHING}
"""Three closes a day are looked at: at all of them some member decides."""
EVERY = timedelta(hours=8)
OTHERS = [(EQUAL, 75), (EQUAL, -60), (EQUAL, 110), (SHRUNK, -60), (SHRUNK, 110)]


@pytest.mark.parametrize(
    ("family", "kill_at"),
    [(SHRUNK, 75), *(pytest.param(one, at, marks=pytest.mark.slow) for one, at in OTHERS)],
)
def test_it_holds_what_the_backtest_of_the_same_version_holds_after_a_kill_too(tmp_path, family, kill_at):
    fit = make_fit(family, MADE_AT)
    with book_scene(tmp_path / "home", **OFTEN) as scene:
        publish_funding(Layout.of(scene.settings))
        champion = make_champion(scene.settings, family=family, fit=fit)
        with pytest.raises(Killed):
            scene.trade(7, open_journal=partial(open_mortal, kill_at))
        ahead = 6 - (from_ms(scene.account.now_ms) - FIRST) // EVERY
        assert scene.trade(ahead).problems == []
        check_equal_to_backtest(scene, 3, family=family, fit=fit)
        assert read_versions(scene) == [champion.key] * 3
        books = [book for book, _, _ in read_decided(scene)]
    plan = plan_days(family, fit, 3)
    assert [{one.name: one.wanted for one in book.names if one.wanted} for book in books] == [
        {name: weight for name, weight in one.target.weights.items() if weight} for one in plan
    ]
    shares = [check_shares(book, one.target.parts) for book, one in zip(books, plan, strict=True)]
    if family == SHRUNK:
        # 89 days of the version, and one more at the second decision: then there are enough
        assert len(set(shares[0].values())) == 1
        assert min(len(set(own.values())) for own in shares[1:]) > 5
        assert shares[1] != shares[2]
    steps = [step for book in books for step in book.members["pair_continuation"].between]
    assert [(step.close - FIRST).total_seconds() / 3600 for step in steps] == [8, 16, 32, 40]
    for book in books:
        text = book_to_json(book)
        assert book_from_json(book.decision_id, book.family, text) == book
        follows = family == SHRUNK and book.close > FIRST
        assert all((one.earned is not None) == follows for one in book.members.values())


def check_shares(book, parts):
    """Return the share of each member in a decision: what it adds is its share of its own weights."""
    assert list(book.members) == list(MEMBERS)
    assert sorted(parts) == sorted(name for name, member in book.members.items() if member.begun)
    shares = {}
    for name, own in parts.items():
        wanted = book.members[name].weights
        assert own.keys() == wanted.keys()
        largest = max(own, key=lambda key: abs(own[key]))
        shares[name] = round(own[largest] / wanted[largest], 12)
        assert own == pytest.approx({key: shares[name] * weight for key, weight in wanted.items()})
    assert sum(shares.values()) == pytest.approx(1)
    return shares


@pytest.mark.slow
def test_what_members_earned_is_read_back_from_the_journal_behind_what_the_version_knows(tmp_path):
    fit = make_fit(SHRUNK, MADE_AT)
    with book_scene(tmp_path / "home", **OFTEN) as scene:
        publish_funding(Layout.of(scene.settings))
        make_champion(scene.settings, family=SHRUNK, fit=fit)
        scene.trade(7)
        journal = scene.read()
        try:
            books = journal.books.all()
            end = FIRST + 10 * DAY
            for name in MEMBERS:
                earned = [one.members[name].earned for one in books[1:]]
                assert journal.books.list_earned(SHRUNK, fit.made_at, end, 365)[name] == earned
                assert journal.books.list_earned(SHRUNK, fit.made_at, end, 1)[name] == earned[1:]
                assert journal.books.list_earned(SHRUNK, books[1].close, end, 365)[name] == earned[1:]
                assert journal.books.list_earned(SHRUNK, fit.made_at, books[2].close, 365)[name] == earned[:1]
            assert journal.books.list_earned(EQUAL, fit.made_at, end, 365) == {}
        finally:
            journal.close()
    walk = measure_walk(fit)
    for name in MEMBERS:
        assert [one.members[name].earned for one in books[1:]] == walk[name][89:]


def measure_walk(fit):
    """Return the past of each member after three days, as the backtest has it at its last decision."""
    seen = {}
    real = WalkForwardBooks.see

    def see(self, hour):
        books, past = real(self, hour)
        seen.update(past)
        return books, past

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WalkForwardBooks, "see", see)
        plan_days(SHRUNK, fit, 3)
    return seen


def test_hours_at_which_a_member_decides_are_not_slept_through(tmp_path):
    options = {"home": tmp_path, "universe": EVERYTHING, "strategy": {"book": EQUAL}}
    assert choose_book(Settings(**options, serve={"interval_minutes": 480}), by_version=True).name == EQUAL
    with pytest.raises(ConfigError, match="interval_minutes is 1440, and pair_continuation decides every 8 hours"):
        choose_book(Settings(**options, serve={"interval_minutes": 1440}), by_version=True)
    with pytest.raises(ConfigError, match="combined_equal, which combines books: what they learnt is in its versions"):
        choose_book(Settings(**options), by_version=False)
