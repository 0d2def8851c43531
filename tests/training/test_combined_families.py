"""Combinations in a training: judged walk-forward, registered with the fits that the walks of their books make."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from model_registry.records import Check, Verdict
from pairity.books import features
from pairity.books.families import BOOK_FAMILIES, OutcomeModel
from pairity.errors import MissingDataError
from pairity.progress import SilentProgress
from pairity.timeline import DAY, floor_to
from tests.training.published import NOW, brute_join, publish_all
from tests.training.test_learnt_families import fit_by_walk, load, settings_of
from training.books import outcome_models, outcome_walk, ranker, stored_market, train
from training.books.combined import WalkForwardBooks
from training.books.lines import trade_book_lines
from training.books.plan import Basis, plan_members
from training.books.stored_market import make_book_terms
from training.books.walked import walk_book
from training.family_job import train_families

EQUAL, SHRUNK = "combined_equal", "combined_shrunk"
MEMBERS = BOOK_FAMILIES[EQUAL].members


@pytest.fixture(scope="module")
def young():
    """Names are old enough after 700 hours, and everything is learnt from after days instead of years."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (features, stored_market):
            patch.setattr(module, "MIN_BARS", 700)
        for name, days in (("TRAIN_DAYS", 12), ("LEAST_DAYS", 5), ("ROLL_DAYS", 4)):
            patch.setattr(ranker, name, days)
        patch.setattr(outcome_models, "_TREES", 10)
        for kind in OutcomeModel:
            own = outcome_models._OWN[kind]
            patch.setitem(own, "min_data_in_leaf", 5)
        patch.setattr(outcome_walk, "LEAST_ROWS", 60)
        patch.setattr(outcome_walk, "FOLDS", 2)
        patch.setattr(outcome_walk, "choose_margin", lambda *_: 0.0)
        for name, value in (("TRAIN_DAYS", 20), ("LEAST_DAYS", 6), ("ROLL_DAYS", 4), ("HORIZONS", (24, 72))):
            patch.setattr(outcome_walk, name, value)
        yield


@pytest.fixture(scope="module")
def trained(young, tmp_path_factory):
    settings = settings_of(tmp_path_factory.mktemp("home"), (EQUAL,))
    publish_all(settings, bars=1_300)
    (report,) = train_families(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    return settings, report


def test_the_line_that_is_judged_is_the_walk_forward_one(trained):
    settings, report = trained
    hours = report.judged.result.equity["time"].to_list()
    lines, _ = trade_book_lines(settings, [BOOK_FAMILIES[EQUAL]], hours, NOW, SilentProgress())
    assert lines[0].contender.result.equity.equals(report.judged.result.equity)
    assert report.backtests["model"]["trades"] > 5


def test_what_did_not_pass_is_registered_with_the_fits_of_the_training_part(trained):
    settings, report = trained
    version, book = load(settings, report)
    made_at = floor_to(datetime.fromisoformat(version.train_end), DAY)
    assert book.fit.made_at == made_at < report.test_start
    assert list(book.fit.members) == list(MEMBERS)
    for name, one in book.fit.members.items():
        # The walk of the combination begins with the test: no book of it had done anything then
        assert (one.begun, one.past) == (False, ())
        assert (one.fit is None) == (not BOOK_FAMILIES[name].learns)
    for name in ("book_ranker", "book_ranker_ridge"):
        assert book.fit.members[name].fit == fit_by_walk(settings, name, made_at)
    assert version.tags["fitted_at"] == made_at.isoformat()


@pytest.mark.slow
@pytest.mark.parametrize("family", [EQUAL, SHRUNK])
def test_what_passes_knows_which_books_had_begun_and_what_they_earned(trained, monkeypatch, family):
    settings, _ = trained
    settings = settings_of(settings.home, (family,))
    honest = train.judge

    def judge(case, look_on):
        verdict = Verdict((Check("net", True, "net return +1.00%", "above +0.00%"),))
        return replace(honest(case, look_on), verdict=verdict, judged=look_on(), looked=True)

    monkeypatch.setattr(train, "judge", judge)
    (report,) = train_families(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    version, book = load(settings, report)
    assert book.fit.made_at == floor_to(min(datetime.fromisoformat(version.train_end), report.test_end), DAY)
    walked = walk_book(
        settings, BOOK_FAMILIES[family], make_book_terms(settings), report.test_start, report.test_end, NOW
    )
    newest = [one for one in walked.bench.plan() if walked.panel.close_of(one.hour) <= book.fit.made_at][-1]
    assert sorted(name for name, one in book.fit.members.items() if one.begun) == sorted(newest.target.parts)
    assert len(newest.target.parts) >= 5
    days = (book.fit.made_at - report.test_start) // DAY
    for one in book.fit.members.values():
        assert len(one.past) <= (days if family == SHRUNK else 0)
    if family == SHRUNK:
        assert max(len(one.past) for one in book.fit.members.values()) == days
        books = WalkForwardBooks(
            walked.panel,
            plan_members(walked.market.history, book.family, basis_of(walked)),
            walked.bench.terms.costs,
        )
        rows = [one.hour for one in walked.bench.plan() if walked.panel.close_of(one.hour) <= book.fit.made_at]
        past = [books.see(row) for row in rows][-1][1]
        assert {name: one.past for name, one in book.fit.members.items() if one.begun} == {
            name: tuple(own) for name, own in past.items()
        }
    # As a champion it is traded by what it holds, from the first hour on
    frozen = walk_book(
        settings, book.family, make_book_terms(settings), report.test_start, report.test_end, NOW, book.fit
    )
    parts = frozen.bench.plan()[0].target.parts
    assert set(newest.target.parts) <= set(parts)


def basis_of(walked):
    able = frozenset(walked.bench.list_names())
    return Basis(able, able, walked.bench.first, 0, walked.bench.terms.costs)


def test_where_one_of_its_books_knows_too_little_nothing_is_registered(trained, monkeypatch):
    settings, _ = trained
    monkeypatch.setattr(outcome_walk, "LEAST_DAYS", 400)
    with pytest.raises(MissingDataError, match="pair_outcome_forest learns from 365 days of outcomes, and at"):
        train_families(settings, SilentProgress(), now=NOW, join=brute_join(settings))
