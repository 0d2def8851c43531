"""A combination, traded by a version: its members decide in the process as in the backtest, between decisions too."""

from __future__ import annotations

from functools import partial

import pytest

from pairity.books.families import BOOK_FAMILIES
from serving.journal.book_records import book_from_json, book_to_json
from tests.model_registry.book_fits import make_fit
from tests.serving.books.book_scene import FIRST, book_scene
from tests.serving.books.test_book_champion import OPTIONS, make_champion, read_versions
from tests.serving.books.test_book_process import Killed, check_equal_to_backtest, count_ahead, open_mortal
from tests.serving.books.test_learnt_book import EVERYTHING, MADE_AT, plan_days, read_decided

EQUAL = "combined_equal"
MEMBERS = BOOK_FAMILIES[EQUAL].members


@pytest.mark.parametrize("kill_at", [75, *(pytest.param(at, marks=pytest.mark.slow) for at in (-60, 110))])
def test_it_holds_what_the_backtest_of_the_same_version_holds_after_a_kill_too(tmp_path, kill_at):
    fit = make_fit(EQUAL, MADE_AT)
    with book_scene(tmp_path / "home", **OPTIONS, universe=EVERYTHING) as scene:
        champion = make_champion(scene.settings, family=EQUAL, fit=fit)
        with pytest.raises(Killed):
            scene.trade(3, open_journal=partial(open_mortal, kill_at))
        assert scene.trade(count_ahead(scene, 3)).problems == []
        check_equal_to_backtest(scene, 3, family=EQUAL, fit=fit)
        assert read_versions(scene) == [champion.key] * 3
        books = [book for book, _, _ in read_decided(scene)]
    plan = plan_days(EQUAL, fit, 3)
    assert [{one.name: one.wanted for one in book.names if one.wanted} for book in books] == [
        {name: weight for name, weight in one.target.weights.items() if weight} for one in plan
    ]
    for book, one in zip(books, plan, strict=True):
        assert list(book.members) == list(MEMBERS)
        begun = [name for name, member in book.members.items() if member.begun]
        assert sorted(begun) == sorted(one.target.parts)
        for name in begun:
            assert one.target.parts[name] == {
                key: 1 / len(begun) * weight for key, weight in book.members[name].weights.items()
            }
    steps = [step for book in books for step in book.members["pair_continuation"].between]
    assert [(step.close - FIRST).total_seconds() / 3600 for step in steps] == [8, 16, 32, 40]
    text = book_to_json(books[-1])
    assert book_from_json(books[-1].decision_id, books[-1].family, text) == books[-1]
