"""Why a pair was not traded: from the journal, by pair and instant, through the command that people type."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

from pairity.errors import MissingDataError, UnknownNameError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import PairAssessment
from pairity.universe import Pair
from pairity_cli.main import main
from serving.explanation import ReasonLimits, explain_assessment, read_decision_at, select_assessments
from serving.journal import Journal
from tests.serving.trading import RUN, T0, decision_of, entry

HOUR = timedelta(hours=1)
OPENED = PairAssessment(pair=Pair("BTC", "SOL"), z=1.7, probability=0.6, divergence_score=1.02, rejected=None)
REFUSED = PairAssessment(
    pair=Pair("XRP", "ADA"), z=0.4, probability=0.7, divergence_score=0.28, rejected="|z| not above 1.0"
)
PASSED_OVER = PairAssessment(pair=Pair("ETH", "ADA"), z=1.2, probability=0.55, divergence_score=0.66, rejected=None)


def with_scores(record):
    return replace(record, decision=replace(record.decision, scores=(OPENED, REFUSED, PASSED_OVER)))


@pytest.fixture
def settings(tmp_path):
    settings = Settings(home=tmp_path)
    journal = Journal.open(Layout.of(settings).journal, scope="test")
    journal.record_run(RUN)
    journal.record_decision(with_scores(decision_of(entry(), at=T0)), [])
    journal.record_decision(with_scores(decision_of(at=T0 + HOUR)), [])
    journal.close()
    return settings


def test_the_newest_decision_up_to_the_instant_is_explained(settings):
    assert read_decision_at(settings, T0).event_timestamp == T0
    assert read_decision_at(settings, T0 + HOUR - timedelta(microseconds=1)).event_timestamp == T0
    assert read_decision_at(settings, T0 + 9 * HOUR).event_timestamp == T0 + HOUR


def test_what_lies_at_its_limit_is_told_from_it():
    near = [
        replace(REFUSED, z=-0.99996, probability=0.6),
        replace(REFUSED, z=1.5, probability=0.49996, rejected="probability not above 0.5, the model's own threshold"),
    ]
    limits = ReasonLimits.of(near)
    assert limits == ReasonLimits(1.0, 0.5)
    assert [limits.write_z(item.z) for item in near] == ["-0.99996", "1.50"]
    assert [limits.write_probability(item.probability) for item in near] == ["0.600", "0.49996"]
    assert (limits.write_z(1.00004, signed=True), limits.write_z(None)) == ("+1.00004", "–")


def test_without_a_limit_in_the_reasons_two_decimals_do():
    limits = ReasonLimits.of([OPENED, PASSED_OVER])
    assert limits == ReasonLimits()
    assert (limits.write_z(0.99996), limits.write_probability(0.49996), limits.write_z(0.5, signed=True)) == (
        "1.00",
        "0.500",
        "+0.50",
    )


def test_before_the_first_decision_the_error_names_it(settings):
    with pytest.raises(MissingDataError, match=f"the first one is of {T0:%Y-%m-%d %H:%M}"):
        read_decision_at(settings, T0 - HOUR)


@pytest.mark.parametrize("spelling", ["XRP__ADA", "XRP/ADA", "ada/xrp"])
def test_a_pair_is_found_in_every_spelling(settings, spelling):
    assert select_assessments(read_decision_at(settings, T0), spelling) == (REFUSED,)


def test_an_unknown_pair_is_named_with_those_that_exist(settings):
    with pytest.raises(UnknownNameError, match="BTC__SOL, ETH__ADA, XRP__ADA"):
        select_assessments(read_decision_at(settings, T0), "XRP/DOGE")


def test_opened_refused_and_passed_over_are_told_apart(settings):
    record = read_decision_at(settings, T0)
    lines = [explain_assessment(record, item) for item in record.decision.scores]
    assert lines == ["opened", "|z| not above 1.0", "a candidate, but the decision was to open: because"]
    later = read_decision_at(settings, T0 + HOUR)
    assert explain_assessment(later, OPENED) == "a candidate, but the decision was to hold: because"


def test_the_command_prints_the_reason(settings, monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", str(settings.home))
    result = CliRunner().invoke(main, ["why", "XRP/ADA", "--at", T0.isoformat()])
    assert result.exit_code == 0, result.output
    assert "|z| not above 1.0" in result.output
    assert "BTC__SOL" not in result.output
    assert "was decided" not in result.output
    later = CliRunner().invoke(main, ["why", "--at", (T0 + 5 * HOUR).isoformat()]).output
    assert f"no later bar up to {T0 + 5 * HOUR:%Y-%m-%d %H:%M} UTC was decided" in later
    everything = CliRunner().invoke(main, ["why", "--at", T0.isoformat()]).output
    assert all(item.pair.pair_id in everything for item in (OPENED, REFUSED, PASSED_OVER))


def test_the_command_says_what_cannot_be_explained(settings, monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", str(settings.home))
    result = CliRunner().invoke(main, ["why", "--at", "2019-01-01"])
    assert result.exit_code == MissingDataError.exit_code
    assert "nothing was decided up to 2019-01-01 00:00 UTC" in result.output
    monkeypatch.setenv("PAIRITY_HOME", str(settings.home / "empty"))
    assert CliRunner().invoke(main, ["why"]).exit_code != 0
