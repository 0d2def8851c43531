"""Books of a leaderboard and of `pairity books` on workers: those of one machine, a worker killed."""

from __future__ import annotations

import shutil

import pytest

from pairity.books.families import BOOK_FAMILIES
from pairity.configuration import load_settings
from pairity.evaluation_settings import EvaluationSettings
from pairity.progress import SilentProgress
from tests.cluster.worker_killer import WorkerKiller
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training.books.lines import trade_book_lines
from training.books.study import study_books
from training.data.history import load_history

pytestmark = pytest.mark.cluster
NAMES = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA")
RULES = ("trend_book", "carry_book", "trend_carry_book", "pair_continuation")
BARS = 2_600
"""Bars of each name: a name is of the universe from 2,160 on."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("one"), NAMES)
    universe = settings.universe.model_copy(update={"pair_assets": ("BTC", "ETH", "SOL")})
    evaluation = EvaluationSettings(train_bars=BARS - 400, test_bars=160)
    settings = settings.model_copy(update={"universe": universe, "evaluation": evaluation})
    publish_all(settings, bars=BARS)
    return settings


@pytest.fixture
def both(home, tmp_path, variables):
    """Settings of one machine, and of the cluster, on copies of one home; each with its own ledger of trials."""
    cluster = load_settings().cluster
    found = []
    for name, changed in (("here", {}), ("there", {"profile": "cluster", "cluster": cluster})):
        shutil.copytree(home.root, tmp_path / name)
        trials = home.trials.model_copy(update={"folder": tmp_path / f"trials-{name}"})
        found.append(home.model_copy(update={"home": tmp_path / name, "trials": trials, **changed}))
    return found


def test_books_of_a_leaderboard_are_those_of_one_machine_though_a_worker_was_killed(both):
    one, two = both
    families = list(BOOK_FAMILIES.values())
    hours = load_history(one, brute_join(one), *find_span(one), NOW)[0].hours
    here, said = trade_book_lines(one, families, hours, NOW, SilentProgress())
    killer = WorkerKiller(two.cluster.scheduler, "book-")
    killer.start()
    there, told = trade_book_lines(two, families, hours, NOW, SilentProgress())
    killer.join(60)
    assert killer.killed is not None, "no worker was killed: nothing is proven"
    assert said == told
    for ours, theirs in zip(here, there, strict=True):
        assert (ours.trial, ours.contender.metrics) == (theirs.trial, theirs.contender.metrics)
        assert ours.contender.result.equity.equals(theirs.contender.result.equity), ours.trial
        assert ours.contender.result.trades.equals(theirs.contender.result.trades), ours.trial
    assert sum(line.contender.result.trades.height for line in here) > 50


def test_a_study_of_books_is_that_of_one_machine_though_a_worker_was_killed(both):
    one, two = both
    families = [BOOK_FAMILIES[name] for name in RULES]
    here = study_books(one, families, SilentProgress(), now=NOW, in_depth=True)
    killer = WorkerKiller(two.cluster.scheduler, "books-at-")
    killer.start()
    there = study_books(two, families, SilentProgress(), now=NOW, in_depth=True)
    killer.join(60)
    assert killer.killed is not None, "no worker was killed: nothing is proven"
    assert (here.correlations, here.notes) == (there.correlations, there.notes)
    for ours, theirs in zip(here.evidence, there.evidence, strict=True):
        for name in ("metrics", "certainty", "deflated_sharpe", "years", "quarters", "half_capital", "placebos"):
            assert getattr(ours, name) == getattr(theirs, name), (ours.family.name, name)
        assert ours.left_out == theirs.left_out
        assert len(ours.left_out) == len(NAMES)
        assert ours.result.equity.equals(theirs.result.equity)
        for mine, other in zip(ours.variations, theirs.variations, strict=True):
            assert (mine.name, mine.metrics) == (other.name, other.metrics)
            assert mine.returns.tobytes() == other.returns.tobytes()


def find_span(settings):
    """First and last bar close of the hours to trade."""
    from datetime import timedelta

    from training.data.history import read_bars

    closes = read_bars(settings, ["BTC"], NOW - timedelta(days=1_000), NOW, NOW)["event_timestamp"]
    return closes[-300], closes[-1]
