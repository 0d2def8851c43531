"""Trainings one after another through the real registry: who becomes champion, and who does not."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from feature_repo.catalog import PAIR_FOREST_FEATURES
from model_registry.connection import open_client
from model_registry.records import Check, Verdict
from model_registry.registry import find_champion, find_version, list_versions
from pairity.errors import LiveSwitchError, SignatureError
from pairity.evaluation_settings import GateSettings
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity_cli.main import main
from serving.models.champion import require_proven
from serving.models.scoring import load_scorer
from serving.risk import Mode
from tests.serving.registered_models import register, settings_in
from tests.training.generated import HOUR, START
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training import job
from training.data.training_sets import build_training_set
from training.models.registrable import fit_registrable
from training.promotion.promotion import decide_promotion
from training.trials.ledger import TrialLedger

LENIENT = GateSettings(net_return_min=-1.0, trades_min=0, deflated_sharpe_min=0.0, superior_p_max=1.0, ahead_min=0.0)


def with_gate(settings, gate):
    return settings.model_copy(update={"gate": gate})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two trainings over the same hours: the first on trial, the second refused."""
    settings = settings_for(tmp_path_factory.mktemp("home"))
    publish_all(settings)
    strict = with_gate(settings, GateSettings(net_return_min=100.0))
    return strict, [job.train(strict, SilentProgress(), now=NOW, join=brute_join(settings)) for _ in range(2)]


@pytest.fixture(scope="module")
def lenient(tmp_path_factory):
    """A champion that a lenient gate promoted, for trainings over the same hours."""
    settings = with_gate(settings_for(tmp_path_factory.mktemp("lenient")), LENIENT)
    publish_all(settings)
    assert job.train(settings, SilentProgress(), now=NOW, join=brute_join(settings)).outcome.promoted
    return settings


def test_the_first_model_is_on_trial_and_the_next_must_pass(trained):
    settings, (first, second) = trained
    assert first.outcome.promoted
    assert first.outcome.reason.startswith("first model, on trial: net: net return")
    assert not second.outcome.promoted
    assert find_champion(settings).version == first.model.version
    by_version = {ref.version: ref for ref in list_versions(settings)}
    assert by_version["2"].aliases == ("challenger",)
    assert by_version["2"].verdict == second.outcome.verdict
    better = next(check for check in second.outcome.verdict.checks if check.name == "better")
    assert re.match(
        r"Sharpe ratio [+-][\d.]+ ± [\d.]+ an hour ahead of champion version 1 over \d+ hours", better.actual
    )


@pytest.mark.parametrize(("failed", "promoted"), [("net", True), ("parity", False)])
def test_only_a_parity_mismatch_keeps_the_first_model_from_being_on_trial(tmp_path, failed, promoted):
    settings = settings_in(tmp_path / "home")
    model = register(settings, seed=1)
    verdict = Verdict((Check(failed, False, "2 of 100 values differ", "none"), Check("trades", True, "99", "30")))
    outcome = decide_promotion(settings, model, verdict, NOW)
    assert outcome.promoted is promoted
    assert "2 of 100 values differ" in outcome.reason


def test_every_trial_counts_once(trained):
    """The model and every setting of the grid that traded differently; the second training repeats the first."""
    settings, (first, second) = trained
    assert len(first.grid.points) == 27
    book = TrialLedger.of(settings).read()
    differ = np.unique(first.grid.returns[:, np.ptp(first.grid.returns, axis=0) > 0], axis=1).shape[1]
    assert book.count().trials == differ
    assert book.count().effective < differ
    counted = [{check.name: check.actual for check in report.outcome.verdict.checks} for report in (first, second)]
    assert counted[0]["deflated_sharpe"] == counted[1]["deflated_sharpe"]
    values = {check.name: check.actual for check in second.outcome.verdict.checks}
    assert values["deflated_sharpe"].endswith(f"over {book.count()}")
    centre = next(
        values
        for point, values in zip(first.grid.points, first.grid.metrics, strict=True)
        if (point.z_entry, point.probability_min, point.correlation_max) == (1.0, 0.5, 0.85)
    )
    assert centre == first.backtests["model"]


def test_real_money_is_refused_to_a_model_on_trial(trained):
    settings, _ = trained
    champion = load_scorer(settings, find_champion(settings)).ref
    assert champion.gate == "failed"
    require_proven(Mode.DEMO, champion)
    with pytest.raises(LiveSwitchError, match="may not trade real money: the promotion gate says 'failed'"):
        require_proven(Mode.LIVE, champion)


def test_a_model_that_passes_is_fitted_on_everything_and_becomes_champion_once(tmp_path):
    """The same hours again are judged only with a reason, and the reason is kept with the verdict."""
    settings, join = with_gate(settings_for(tmp_path), LENIENT), brute_join(settings_for(tmp_path))
    publish_all(settings, bars=400)
    first = job.train(settings, SilentProgress(), now=NOW, join=join, parity=lambda: (0, "all identical"))
    assert first.outcome.verdict.passed, first.outcome.reason
    assert first.kept_back_rows == 0
    assert first.test_end == START + 399 * HOUR
    champion = find_champion(settings)
    training_set = build_training_set(settings, PAIR_FOREST_FEATURES, join, NOW)
    labelled = training_set.labelled(settings.label)
    assert champion.train_end == labelled["t1"].max().isoformat()  # the judged model ended long before
    whole = fit_registrable(labelled, training_set.service, settings)
    assert champion.tags["fitted_sha256"] == whole.digest
    (look,) = TrialLedger.of(settings).read().looks
    assert (look.last, look.reason) == (START + 399 * HOUR, "")
    assert (look.last - look.first) / HOUR == pytest.approx(0.33 * (399 - (first.test_start - START) / HOUR), abs=2)

    again = job.train(settings, SilentProgress(), now=NOW, join=join)
    assert not again.outcome.promoted
    assert "not untouched: pair_forest of training looked at them" in again.outcome.reason
    assert find_version(settings, again.model.version).train_end == again.train_end.isoformat()

    third = job.train(settings, SilentProgress(), now=NOW, join=join, reason="costs were wrong")
    assert third.outcome.promoted, third.outcome.reason
    assert "again because: costs were wrong" in find_version(settings, third.model.version).tags["gate_checks"]
    better = next(check for check in third.outcome.verdict.checks if check.name == "better")
    assert better.actual == "champion version 1 has seen these hours"


def test_values_that_differ_live_stop_a_promotion(lenient):
    settings = lenient
    report = job.train(settings, SilentProgress(), now=NOW, join=brute_join(settings), parity=lambda: (3, "3 DIFFER"))
    assert not report.outcome.promoted
    assert "parity: 3 DIFFER" in report.outcome.reason


def test_the_champion_is_measured_on_hours_that_it_has_not_seen(tmp_path):
    settings = with_gate(settings_for(tmp_path), LENIENT)
    publish_all(settings, bars=420)
    job.train(settings, SilentProgress(), now=START + 200 * HOUR, join=brute_join(settings))
    report = job.train(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    better = next(check for check in report.outcome.verdict.checks if check.name == "better")
    assert re.match(
        r"Sharpe ratio [+-][\d.]+ ± [\d.]+ an hour ahead of champion version 1 over \d+ hours", better.actual
    )


def command(settings, tmp_path, *arguments):
    environment = {"PAIRITY_HOME": str(settings.home), "PAIRITY_UNIVERSE__ASSETS": json.dumps(["BTC", "ETH", "SOL"])}
    return CliRunner().invoke(main, [*arguments], env=environment)


def test_the_commands_show_promote_and_roll_back(trained, tmp_path, monkeypatch):
    settings, _ = trained
    monkeypatch.chdir(tmp_path)
    listed = command(settings, tmp_path, "models")
    assert listed.exit_code == 0, listed.output
    assert "challenger" in listed.output
    one = command(settings, tmp_path, "models", "2")
    assert "FAILED" in one.output
    assert "training_digest" in one.output
    refused = command(settings, tmp_path, "promote", "2")
    assert refused.exit_code == 2
    assert "did not pass the gate" in refused.output
    assert command(settings, tmp_path, "promote", "2", "--force").exit_code == 2
    forced = command(settings, tmp_path, "promote", "2", "--force", "--reason", "an experiment")
    assert forced.exit_code == 0, forced.output
    assert find_champion(settings).tags["promotion_reason"] == "forced: an experiment"
    back = command(settings, tmp_path, "rollback", "--reason", "it was one")
    assert back.exit_code == 0, back.output
    assert find_champion(settings).version == "1"
    unknown = command(settings, tmp_path, "models", "9")
    assert unknown.exit_code == 2
    assert "choose from: 1, 2" in unknown.output


def test_without_models_the_list_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed = CliRunner().invoke(main, ["models"], env={"PAIRITY_HOME": str(tmp_path / "none")})
    assert listed.exit_code == 0
    assert "pairity train" in listed.output


def test_beside_a_champion_that_nobody_signed_nothing_is_promoted(lenient):
    """Else whoever takes the signature away decides that the next model need not be better. The last with `lenient`."""
    settings = lenient
    client = open_client(Layout.of(settings))
    client.delete_model_version_tag(settings.model.name, "1", "signature.registration")
    report = job.train(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    assert not report.outcome.promoted
    assert report.outcome.reason.startswith("nothing is promoted: version 1 of model")
    assert find_version(settings, report.model.version).gate in {"passed", "failed"}  # the verdict is kept all the same
    with pytest.raises(SignatureError, match="the signature of its registration was removed"):
        find_champion(settings)
