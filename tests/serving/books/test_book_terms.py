"""What a book is held to: every place that trades one, or judges one, holds it to the same."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.books.account_limits import make_limits
from pairity.books.families import BOOK_FAMILIES
from pairity.books.limits import BookLimits
from pairity.progress import SilentProgress
from pairity.settings import Settings
from pairity_cli.replay import expected_book
from serving.books import opening
from training.books import last_look, lines, registrations, study, train
from training.books.registrations import define_book
from training.books.stored_market import make_book_terms
from training.promotion import evidence

FAMILY = BOOK_FAMILIES["trend_book"]
START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("BTC", "ETH")
SHARES = st.one_of(st.none(), st.floats(0.05, 5.0))
CHOICES = st.fixed_dictionaries(
    {"leverage": st.integers(1, 125), "volatility_target": SHARES, "gross_max": SHARES, "net_max": SHARES}
)


class FoundError(Exception):
    """Carries the terms that a place was about to trade by."""


def give(terms):
    raise FoundError(terms)


def make_settings(leverage, **books):
    settings = Settings()
    return settings.model_copy(
        update={
            "strategy": settings.strategy.model_copy(update={"leverage": leverage}),
            "books": settings.books.model_copy(update=books),
        }
    )


PANEL = SimpleNamespace(start=START, hours=100, names=NAMES, close_of=lambda row: START + timedelta(hours=row))
MARKET = SimpleNamespace(history=SimpleNamespace(panel=PANEL), specs={}, bars=None)


def _stub(patch, module, **values):
    for name, value in values.items():
        patch.setattr(module, name, value)


def ask_study(settings, patch):
    _stub(
        patch,
        study,
        require_one_unit=lambda _: None,
        load_market=lambda *_: MARKET,
        find_first_universe=lambda *_: 0,
        BookBench=lambda *given, **named: give(named["terms"] if named else given[2]),
    )
    study.study_books(settings, [FAMILY], SilentProgress(), now=START, whole=True)


def ask_leaderboard(settings, patch):
    _stub(
        patch,
        lines,
        load_hours=lambda *_: (MARKET, START),
        run_book=lambda _history, _family, terms, *_, **__: give(terms),
    )
    lines.trade_book_lines(settings, [FAMILY], [START, START], START, SilentProgress())


def ask_gate(settings, patch):
    _stub(patch, train, walk_book=lambda _settings, _family, terms, *_: give(terms))
    split = SimpleNamespace(test_start=START)
    basis = SimpleNamespace(split=lambda *_: (split, split, split), labelled=None, training_set=None)
    steps = train.train_book_in_steps(
        settings, FAMILY, SilentProgress(), lambda: basis, None, now=START, parity=None, reason=None
    )
    next(steps)


def ask_champion_of_the_gate(settings, patch):
    """A champion is traded within the limits of its version: those that it was judged within."""
    stored = SimpleNamespace(family=FAMILY, limits=make_book_terms(settings).limits, fit=None)
    _stub(
        patch,
        evidence,
        load_book=lambda *_: stored,
        walk_book=lambda _settings, _family, terms, *_: give(terms),
    )
    evidence._trade_book(settings, None, START, START, START)


def ask_look(settings, patch):
    _stub(
        patch,
        last_look,
        require_one_unit=lambda _: None,
        read_registrations=lambda *_: [SimpleNamespace(definition={})],
        define_book=lambda _settings, _family, terms: give(terms),
    )
    last_look.look_at_book(settings, FAMILY.name, START)


def ask_replay(settings, patch):
    _stub(
        patch,
        expected_book,
        load_market=lambda *_: MARKET,
        read_contracts=lambda _: {},
        read_lake_settlements=lambda *_: {},
        read_settlement_marks=lambda *_: {},
        plan_book=lambda *_, **__: (),
        run_book=lambda _history, _family, terms, *_, **__: give(terms),
    )
    expected_book.backtest_book(settings, FAMILY, (START, START), (), {})


def ask_process(settings, patch):
    _stub(patch, opening, TradedBook=lambda _family, limits, *_, **__: give(SimpleNamespace(limits=limits)))
    process = object.__new__(opening.BookOpening)
    process._settings, process.family, process._by_champion = settings, FAMILY, False
    process._book_parts = process._book_champion = None
    patch.setattr(process, "prepare", lambda _: None)
    guard = SimpleNamespace(journal=None, contracts={})
    asyncio.run(process.open_book(guard, None))


PLACES = (ask_study, ask_leaderboard, ask_gate, ask_champion_of_the_gate, ask_look, ask_replay, ask_process)


def find_limits(ask, settings):
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(StopIteration), pytest.raises(FoundError) as found:
        ask(settings, patch)
    return found.value.args[0].limits


@given(CHOICES)
def test_every_place_holds_a_book_to_the_same_limits(choices):
    settings = make_settings(**choices)
    expected = BookLimits(
        volatility=choices["volatility_target"],
        gross=choices["gross_max"],
        net=choices["net_max"],
        margin=choices["leverage"] * 0.99,
    )
    assert make_limits(settings) == make_book_terms(settings).limits == expected
    assert {ask.__name__: find_limits(ask, settings) for ask in PLACES} == {ask.__name__: expected for ask in PLACES}


def test_another_leverage_is_another_definition_to_register():
    one, three = (make_settings(leverage) for leverage in (1, 3))
    defined = [define_book(settings, FAMILY, make_book_terms(settings)) for settings in (one, three)]
    assert [own["limits"] for own in defined] == ["margin 0.99", "margin 2.97"]
    assert list(registrations.list_differences(*defined))
