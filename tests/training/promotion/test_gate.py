"""What the gate lets through, and that every reason is said."""

from dataclasses import replace

import pytest

from model_registry.records import Verdict
from pairity.evaluation_settings import GateSettings
from training.evaluation.trial_clusters import TrialCount
from training.promotion.gate import Evidence, apply_gate

GOOD = Evidence(
    net=0.12,
    trades=80,
    baseline_net=0.01,
    champion_net=0.05,
    champion_note="version 3",
    deflated_sharpe=0.97,
    trials=TrialCount(40, 12, 15.0),
    superior=0.01,
    superior_best=0.008,
    parity_mismatches=0,
    parity_note="all identical",
    psi=0.05,
)


def test_a_model_that_is_better_in_everything_passes():
    verdict = apply_gate(GOOD, GateSettings())
    assert verdict.passed
    assert verdict.reason == "passed all 8 checks of the gate"
    assert [check.name for check in verdict.checks] == [
        "net",
        "better",
        "baseline",
        "trades",
        "deflated_sharpe",
        "superior",
        "parity",
        "drift",
    ]


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"net": -0.01, "champion_net": -0.5, "baseline_net": -0.5}, "net"),
        ({"net": None, "champion_net": None}, "net"),
        ({"champion_net": 0.13}, "better"),
        ({"baseline_net": 0.12}, "baseline"),
        ({"baseline_net": None}, "baseline"),
        ({"trades": 29}, "trades"),
        ({"deflated_sharpe": 0.9499}, "deflated_sharpe"),
        ({"deflated_sharpe": None}, "deflated_sharpe"),
        ({"superior": 0.051}, "superior"),
        ({"superior": None}, "superior"),
        ({"parity_mismatches": 1, "parity_note": "1 DIFFER"}, "parity"),
        ({"psi": 0.26}, "drift"),
        ({"psi": None}, "drift"),
    ],
)
def test_each_shortfall_is_named_with_what_was_found(change, failed):
    verdict = apply_gate(replace(GOOD, **change), GateSettings())
    assert not verdict.passed
    assert failed in [check.name for check in verdict.checks if not check.passed]
    assert failed in verdict.reason


@pytest.mark.parametrize("change", [{"champion_net": None}, {"parity_mismatches": None}])
def test_nothing_to_compare_with_is_no_failure(change):
    assert apply_gate(replace(GOOD, **change), GateSettings()).passed


def test_a_verdict_survives_its_tag():
    verdict = apply_gate(replace(GOOD, net=-0.2), GateSettings())
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert str(verdict.checks[0]) == "FAIL net: net return -20.00% (needed: above +0.00%)"


def test_a_verdict_on_disk_has_the_keys_that_it_always_had():
    stored = '[{"name": "net", "passed": false, "found": "net return −1.00%", "needed": "above +0.00%"}]'
    verdict = Verdict.from_json(stored)
    assert (verdict.checks[0].actual, verdict.passed) == ("net return −1.00%", False)
    assert verdict.to_json() == stored
