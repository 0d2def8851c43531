"""The hours that are kept back: looked at once, by the gate, and only where the hours before deserve it."""

from datetime import UTC, datetime

import numpy as np
import pytest

from pairity.evaluation_settings import GateSettings
from tests.training.promotion.worlds import Court
from tests.training.trials.runs import HOUR, NOW, START, make_run
from training.trials.ledger import TrialLedger

TEST, WALK = 3000, 2000
"""Hours of the test period, and of its part before the last look."""


@pytest.fixture
def world(tmp_path):
    """A model whose mean hourly return is `before` and, in the look, `after` (its deviation is 1%)."""

    def make(before=0.001, after=0.001, reason=None, lacks=""):
        rng = np.random.default_rng(5)
        noise, nulls = 0.01 * rng.standard_normal(TEST), 0.01 * rng.standard_normal((3, TEST)) - 0.001
        noise = 0.01 * (noise - noise.mean()) / noise.std()
        court = Court(tmp_path, TEST, GateSettings())
        returns = noise + np.where(np.arange(TEST) < WALK, before, after)
        judgement = court.judge(returns, nulls, WALK, data=f"{before} {after}", reason=reason, lacks=lacks)
        return judgement, court.looks, {check.name: check for check in judgement.verdict.checks}, court.ledger

    return make


def test_a_good_model_is_looked_at_once_and_passes(world):
    judgement, calls, checks, ledger = world()
    assert judgement.verdict.passed, judgement.verdict.reason
    assert judgement.looked
    ((look,),) = calls  # written down before it was taken
    assert (look.first, look.last) == (START + WALK * HOUR, START + (TEST - 1) * HOUR)
    assert abs(datetime.now(UTC) - look.at).total_seconds() < 60
    assert look.reason == ""
    assert checks["last_look"].actual.startswith("net return +1")
    assert "over 1,000 hours from 2025-03-25 08:00 UTC, looked at 20" in checks["last_look"].actual
    (series,) = ledger.read().series
    assert len(series.hours) == TEST


def test_what_failed_before_is_not_looked_at(world):
    judgement, calls, checks, ledger = world(before=-0.001)
    assert (judgement.looked, calls) == (False, [])
    assert checks["last_look"].actual.endswith("stay unseen: net failed before them")
    assert not checks["last_look"].passed
    assert len(ledger.read().series[0].hours) == WALK


def test_hours_that_are_not_complete_are_not_looked_at_whatever_the_reason(world):
    judgement, calls, checks, ledger = world(reason="they are complete enough", lacks="bars of SOL end at noon")
    assert (judgement.looked, calls, ledger.read().looks) == (False, [], ())
    assert checks["last_look"].actual.endswith("stay unseen, they are not complete: bars of SOL end at noon")
    assert not judgement.verdict.passed
    assert world()[0].looked  # once they are


def test_luck_that_ends_in_the_look_does_not_pass(world):
    judgement, _, checks, _ = world(before=0.002, after=-0.001)
    assert judgement.looked
    assert not checks["last_look"].passed
    assert checks["net"].passed


def test_a_second_look_needs_a_reason_and_more(world):
    world()
    judgement, calls, checks, _ = world()
    assert (judgement.looked, calls) == (False, [])
    assert "not untouched: pair_forest of training looked at them on 20" in checks["last_look"].actual
    judgement, calls, checks, ledger = world(reason="the first look had a bug in the costs")
    assert judgement.looked
    assert checks["last_look"].actual.endswith("again because: the first look had a bug in the costs")
    assert checks["deflated_sharpe"].needed == "at least 0.988 (look 2)"
    assert [look.reason for look in ledger.read().looks] == ["", "the first look had a bug in the costs"]
    assert world(reason="once more")[2]["superior"].needed.endswith("(look 3)")


@pytest.mark.parametrize(("first", "touched"), [(WALK - 10, True), (WALK - 300, False)])
def test_hours_that_a_backtest_has_traded_are_not_untouched(world, tmp_path, first, touched):
    ledger = TrialLedger(tmp_path / "trials")
    ledger.record([make_run("other", START + first * HOUR, 240)], "backtest", NOW)
    judgement, _, checks, _ = world()
    assert judgement.looked is not touched
    assert ("trial other of backtest looked at them" in checks["last_look"].actual) is touched


def test_hours_of_another_market_are_not_these_hours(world, tmp_path):
    run = make_run("other", START, TEST, market=1)
    TrialLedger(tmp_path / "trials").record([run], "backtest", NOW)
    assert world()[0].looked


def test_a_reason_for_a_first_look_is_not_needed_and_not_kept(world):
    _, _, checks, ledger = world(reason="just in case")
    assert "again because" not in checks["last_look"].actual
    assert ledger.read().looks[0].reason == ""


def test_many_other_trials_raise_what_is_needed(world, tmp_path):
    ledger = TrialLedger(tmp_path / "trials")
    before = float(world(before=0.0006, after=0.0006)[2]["deflated_sharpe"].actual.split()[0])
    ledger.record([make_run(f"t{n}", START, WALK, seed=n) for n in range(100)], "leaderboard", NOW)
    checks = world(before=0.0006, after=0.0006, reason="with all trials")[2]
    assert float(checks["deflated_sharpe"].actual.split()[0]) < before - 0.1
    assert "over 101 trials, worth 100." in checks["deflated_sharpe"].actual
