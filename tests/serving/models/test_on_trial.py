"""The first model is champion on trial: it is said, and where its backtest closed no trade it trades on paper alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from model_registry import registry
from model_registry.records import (
    CHECKS_TAG,
    GATE_FAILED,
    GATE_PASSED,
    NO_TRADES,
    TRADES_CHECK,
    Check,
    ModelRef,
    Verdict,
)
from pairity.errors import LiveSwitchError, RegistryError
from pairity.evaluation_settings import GateSettings
from serving.models.champion import Champion, require_proven
from serving.risk import Mode
from tests.serving.registered_models import NOW, register, settings_in
from tests.training.promotion.test_gate import GOOD
from training.promotion.gate import apply_gate
from training.promotion.promotion import decide_promotion


def verdict_of(trades: int) -> Verdict:
    net = Check("net", False, "net return -1.00%", "above +0.00%")
    return Verdict((net, Check("trades", trades >= 30, f"{trades} closed", "at least 30")))


@pytest.fixture(scope="module", params=[0, 1, 40])
def first(request, tmp_path_factory):
    settings = settings_in(tmp_path_factory.mktemp("home"))
    outcome = decide_promotion(settings, register(settings, seed=1), verdict_of(request.param), NOW)
    return settings, request.param, outcome


def test_the_outcome_says_loudly_what_it_has_shown(first):
    settings, trades, outcome = first
    assert outcome.promoted
    assert outcome.trial is not None
    assert "ON TRIAL" in outcome.trial
    assert ("NO TRADE" in outcome.trial) == (trades == 0)
    assert registry.find_champion(settings).explain_trial() == outcome.trial


def test_paper_takes_it_and_demo_only_where_it_has_traded(first):
    settings, trades, _ = first
    assert Champion(settings, Mode.PAPER).ref.is_on_trial
    if trades:
        assert Champion(settings, Mode.DEMO).ref.version == "1"
        return
    with pytest.raises(RegistryError, match="may not trade on demo: it is the first model, on trial") as caught:
        Champion(settings, Mode.DEMO)
    assert "its backtest closed no trade" in caught.value.what
    assert "pairity train" in caught.value.remedy
    assert "--exchange-url" in caught.value.remedy


def test_real_money_is_refused_to_all_of_them(first):
    with pytest.raises(LiveSwitchError, match="may not trade real money"):
        Champion(first[0], Mode.LIVE, pinned="1")


def test_a_person_who_promotes_it_and_a_gate_that_passes_end_the_trial(first):
    champion: ModelRef = registry.find_champion(first[0])
    by_hand = replace(champion, tags={**champion.tags, "promotion_reason": "I looked at it"})
    passed = replace(champion, gate=GATE_PASSED)
    for model in (by_hand, passed):
        assert model.explain_trial() is None
        require_proven(Mode.DEMO, model)


def test_a_running_demo_suspends_entries_when_the_registry_names_such_a_model(first, monkeypatch):
    settings, trades, _ = first
    process = Champion(settings, Mode.PAPER)
    monkeypatch.setattr(process, "_mode", Mode.DEMO)
    problems = process.follow()
    assert bool(problems) == (trades == 0)
    assert bool(process.suspended) == (trades == 0)


def test_checks_that_cannot_be_read_are_no_licence(first):
    champion = registry.find_champion(first[0])
    broken = replace(champion, gate=GATE_FAILED, tags={**champion.tags, CHECKS_TAG: json.dumps([{}])})
    with pytest.raises(RegistryError):
        require_proven(Mode.DEMO, broken)


def test_the_gates_words_are_those_that_are_looked_for():
    verdict = apply_gate(replace(GOOD, trades=0), GateSettings())
    assert any((check.name, check.actual) == (TRADES_CHECK, NO_TRADES) for check in verdict.checks)
