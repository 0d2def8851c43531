"""A journalled decision is scored again by the version that made it, and by no other."""

from dataclasses import replace

import pytest

from feature_repo.catalog import PAIR_FOREST_FEATURES
from pairity.errors import ModelIntegrityError, RegistryError
from serving.journal.records import FeatureVector
from serving.models.rescoring import rescore
from serving.models.scoring import load_scorer
from tests.serving.registered_models import register, seen_at, settings_in
from tests.serving.trading import decision_of


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    settings = settings_in(tmp_path_factory.mktemp("home"))
    return settings, register(settings, seed=1)


def decided_by(model):
    return replace(decision_of(), model_name=model.name, model_version=model.version, model_sha256=model.sha256)


def test_the_same_vector_gets_the_same_float_again(registered):
    settings, model = registered
    seen, decision = seen_at(settings, 20), decided_by(model)
    scores = load_scorer(settings, model).score(seen.pair_rows, settings.universe.pairs, seen.event_timestamp)
    for row, score in zip(seen.pair_rows.iter_rows(named=True), scores, strict=True):
        assert row["pair_id"] == score.pair.pair_id
        values = {name: row[name] for name in PAIR_FOREST_FEATURES.features}
        vector = FeatureVector(
            decision.decision_id, PAIR_FOREST_FEATURES.name, row["pair_id"], seen.event_timestamp, values
        )
        again = rescore(settings, decision, vector)
        assert again.probability == score.probability is not None
        assert (again.run_id, again.train_end, again.snapshot_id) == (model.run_id, model.train_end, model.snapshot_id)
    assert rescore(settings, decision, None).probability is None


@pytest.mark.parametrize("change", [{"model_version": "9"}, {"model_name": "another"}])
def test_a_version_that_the_registry_lacks_is_an_error_of_the_registry(registered, change):
    settings, model = registered
    with pytest.raises(RegistryError, match=r"has no version \d in sqlite.*mlflow\.db") as caught:
        rescore(settings, replace(decided_by(model), **change), None)
    assert (caught.value.exit_code, caught.value.remedy) == (5, "use the data directory it was trained in")


def test_a_decision_of_a_rule_has_no_score_to_compute_again(registered):
    settings, model = registered
    decided = replace(decided_by(model), model_name="always_revert", model_version="0")
    with pytest.raises(RegistryError, match="made by the rule always_revert of a replay") as caught:
        rescore(settings, decided, None)
    assert caught.value.remedy == "look at what it decided on with `pairity why`"


def test_a_decision_of_other_files_is_refused(registered):
    settings, model = registered
    with pytest.raises(ModelIntegrityError, match="the decision was made with ffff"):
        rescore(settings, replace(decided_by(model), model_sha256="f" * 64), None)
