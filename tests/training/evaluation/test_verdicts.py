"""An interval that holds zero is not distinguishable from it, whatever the signs; what cannot be judged is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from training.evaluation.verdicts import Finding, judge_sharpe, state_findings

LONG = timedelta(days=90)


def metrics(low, high, trades=5.0, **more):
    return {"sharpe_low": low, "sharpe_high": high, "trades": trades, **more}


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [
        (0.1, 2.0, Finding.ABOVE),
        (-3.0, -0.01, Finding.BELOW),
        (-1.0, 5.0, Finding.UNDECIDED),
        (-5.0, 1.0, Finding.UNDECIDED),
        (0.0, 3.0, Finding.UNDECIDED),
        (-3.0, 0.0, Finding.UNDECIDED),
        (None, None, Finding.UNKNOWN),
        (float("nan"), float("nan"), Finding.UNKNOWN),
    ],
)
@pytest.mark.parametrize("net", [-0.5, 0.5])
def test_the_interval_decides_and_no_sign(low, high, finding, net):
    assert judge_sharpe(metrics(low, high, net_return=net, sharpe=net), LONG) is finding


def test_a_span_that_cannot_carry_a_year_is_not_judged():
    assert judge_sharpe(metrics(1.0, 2.0), timedelta(days=29, hours=23)) is Finding.TOO_SHORT
    assert judge_sharpe(metrics(1.0, 2.0), timedelta(days=30)) is Finding.ABOVE


@pytest.mark.parametrize("trades", [0.0, None])
def test_what_did_not_trade_shows_nothing(trades):
    assert judge_sharpe(metrics(None, None, trades), LONG) is Finding.IDLE


def test_findings_are_stated_with_what_they_are_about():
    said = state_findings(
        {"one": Finding.UNDECIDED, "two": Finding.ABOVE, "three": Finding.UNDECIDED, "four": Finding.IDLE}
    )
    assert said == [
        "Sharpe ratio after costs, 95% interval: above zero: two",
        "Sharpe ratio after costs, 95% interval: not distinguishable from zero: one, three",
        "did not trade: four",
    ]
