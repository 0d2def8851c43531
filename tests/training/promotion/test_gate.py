"""What the gate lets through, and that every reason is said."""

from dataclasses import replace

import pytest

from model_registry.records import Verdict
from pairity.evaluation_settings import GateSettings
from training.evaluation.drift import ScoreDrift
from training.evaluation.sharpe import SharpeLead
from training.evaluation.trial_clusters import TrialCount
from training.promotion.gate import BEFORE_LOOK, Evidence, Look, apply_gate

AHEAD = SharpeLead(0.03, 0.01, 8000)
TIED = SharpeLead(0.01, 0.01, 8000)
GOOD = Evidence(
    net=0.12,
    trades=80,
    baseline=AHEAD,
    nulls={"always_revert": AHEAD, "buy and hold BTC": AHEAD},
    champion=SharpeLead(0.0, 0.01, 8000),
    champion_note="version 3",
    deflated_sharpe=0.97,
    trials=TrialCount(40, 12, 15.0),
    superior=0.01,
    superior_best=0.008,
    look=Look(0.02, "net return +2.00%"),
    parity_mismatches=0,
    parity_note="all identical",
    drift=ScoreDrift(0.05, 0.06),
)


def test_a_model_that_is_better_in_everything_passes():
    verdict = apply_gate(GOOD, GateSettings())
    assert verdict.passed
    assert verdict.reason == "passed all 10 checks of the gate"
    assert [check.name for check in verdict.checks] == [
        "net",
        "better",
        "baseline",
        "nulls",
        "trades",
        "deflated_sharpe",
        "superior",
        "last_look",
        "parity",
        "drift",
    ]
    assert set(BEFORE_LOOK) < {check.name for check in verdict.checks}


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"net": -0.01}, "net"),
        ({"net": None}, "net"),
        ({"champion": SharpeLead(-0.0001, 0.01, 8000)}, "better"),
        ({"baseline": TIED}, "baseline"),
        ({"baseline": None}, "baseline"),
        ({"nulls": {"always_revert": AHEAD, "buy and hold BTC": TIED}}, "nulls"),
        ({"nulls": {"always_revert": TIED, "buy and hold BTC": AHEAD}}, "nulls"),
        ({"nulls": {"always_revert": SharpeLead(0.0, 0.0, 8000)}}, "nulls"),
        ({"nulls": {}}, "nulls"),
        ({"trades": 29}, "trades"),
        ({"deflated_sharpe": 0.9499}, "deflated_sharpe"),
        ({"deflated_sharpe": None}, "deflated_sharpe"),
        ({"superior": 0.051}, "superior"),
        ({"superior": None}, "superior"),
        ({"look": Look(None, "kept back")}, "last_look"),
        ({"look": Look(0.0, "net return +0.00%")}, "last_look"),
        ({"look": Look(0.02, "again", number=2)}, "deflated_sharpe"),
        ({"parity_mismatches": 1, "parity_note": "1 DIFFER"}, "parity"),
        ({"drift": ScoreDrift(0.0601, 0.06)}, "drift"),
        ({"drift": ScoreDrift(0.26, 0.25)}, "drift"),
        ({"drift": ScoreDrift(None, 0.06)}, "drift"),
        ({"drift": ScoreDrift(0.01, None)}, "drift"),
    ],
)
def test_each_shortfall_is_named_with_what_was_found(change, failed):
    verdict = apply_gate(replace(GOOD, **change), GateSettings())
    assert not verdict.passed
    assert [check.name for check in verdict.checks if not check.passed] == [failed]
    assert failed in verdict.reason


def test_leads_carry_their_errors():
    checks = {check.name: check for check in apply_gate(GOOD, GateSettings()).checks}
    assert checks["baseline"].actual == "Sharpe ratio +2.81 ± 0.94 ahead of the baseline (probability 1.00)"
    assert checks["better"].actual == "Sharpe ratio +0.00 ± 0.94 ahead of version 3"
    assert checks["deflated_sharpe"].actual == "0.970 over 40 trials, worth 15.0 independent ones"


@pytest.mark.parametrize(("days", "said"), [(9, "+0.030 ± 0.010 an hour"), (29, "an hour"), (30, "+2.81 ± 0.94")])
def test_nothing_is_annualised_from_less_than_a_month(days, said):
    lead = SharpeLead(0.03, 0.01, days * 24)
    evidence = replace(GOOD, baseline=lead, nulls={"always_revert": lead}, champion=lead)
    checks = {check.name: check for check in apply_gate(evidence, GateSettings()).checks}
    for name in ("baseline", "nulls", "better"):
        assert said in checks[name].actual
        assert ("an hour" in checks[name].actual) == (days < 30)
        assert checks[name].passed


def test_the_drift_that_is_allowed_is_that_of_the_training_rows():
    """The same index passes beside one limit and fails beside another; no number is set."""
    for limit, passed in ((0.31, True), (0.29, False)):
        verdict = apply_gate(replace(GOOD, drift=ScoreDrift(0.3, limit)), GateSettings())
        (check,) = (check for check in verdict.checks if check.name == "drift")
        assert check.passed is passed
        assert check.needed == f"at most {limit:.3f}, which stretches of the training rows reach by chance"


def test_every_further_look_has_less_room_for_error():
    needed = []
    for number in (1, 2, 3):
        verdict = apply_gate(replace(GOOD, look=Look(0.1, "seen", number)), GateSettings())
        needed.append([check.needed for check in verdict.checks if check.name in {"deflated_sharpe", "superior"}])
    assert needed == [
        ["at least 0.95", "at most 0.05 of its own"],
        ["at least 0.988 (look 2)", "at most 0.0125 of its own (look 2)"],
        ["at least 0.994 (look 3)", "at most 0.00556 of its own (look 3)"],
    ]


@pytest.mark.parametrize("change", [{"champion": None}, {"parity_mismatches": None}])
def test_nothing_to_compare_with_is_no_failure(change):
    assert apply_gate(replace(GOOD, **change), GateSettings()).passed


def test_a_verdict_survives_its_tag():
    verdict = apply_gate(replace(GOOD, net=-0.2), GateSettings())
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert str(verdict.checks[0]) == "FAIL net: net return -20.00% (needed: a net return above +0.00%)"


def test_a_verdict_on_disk_has_the_keys_that_it_always_had():
    stored = '[{"name": "net", "passed": false, "found": "net return −1.00%", "needed": "above +0.00%"}]'
    verdict = Verdict.from_json(stored)
    assert (verdict.checks[0].actual, verdict.passed) == ("net return −1.00%", False)
    assert verdict.to_json() == stored


@pytest.mark.parametrize(
    ("change", "name", "found", "needed"),
    [
        ({"deflated_sharpe": 0.9499}, "deflated_sharpe", "0.9499 over", "at least 0.95"),
        ({"deflated_sharpe": 0.9942, "look": Look(0.1, "", 3)}, "deflated_sharpe", "0.9942 over", "at least 0.9944 "),
        ({"deflated_sharpe": 0.994, "look": Look(0.1, "", 3)}, "deflated_sharpe", "0.9940 over", "at least 0.9944 "),
        ({"superior": 0.0501}, "superior", "p 0.0501 of", "at most 0.05 of"),
        ({"drift": ScoreDrift(0.0601, 0.06)}, "drift", "PSI 0.0601 of", "at most 0.0600,"),
        ({"net": -0.00001}, "net", "net return -0.001%", "above +0.00%"),
        ({"baseline": SharpeLead(0.0164, 0.01, 8000)}, "baseline", "(probability 0.949)", "at least 0.95"),
    ],
)
def test_a_check_that_failed_by_little_does_not_read_as_passed(change, name, found, needed):
    (check,) = (c for c in apply_gate(replace(GOOD, **change), GateSettings()).checks if c.name == name)
    assert not check.passed
    assert found in check.actual
    assert needed in check.needed
