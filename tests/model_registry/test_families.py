"""Every family that can trade: registered, promoted, loaded and scored alike; files and labels belong together."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from feature_repo.catalog import PAIR_FOREST_FEATURES
from feature_repo.model_matrix import build_model_matrix
from model_registry import registry
from model_registry.claims import LINEAGE_TAGS, claim_registration
from model_registry.files import ModelFiles
from model_registry.loading import load_estimator, require_model, verified_directory
from model_registry.records import FAMILY_TAG
from model_registry.signatures import Verifier
from pairity.errors import ConfigError, ModelIntegrityError, SignatureError, UnknownNameError
from pairity.layout import Layout
from serving.journal.records import FeatureVector
from serving.models.champion import Champion
from serving.models.rescoring import rescore
from serving.models.scoring import load_scorer
from serving.risk import Mode
from tests.model_registry.family_models import (
    FAMILIES,
    LINEAGE,
    fitted,
    labelled,
    log,
    register,
    settings_of,
    tags_of,
)
from tests.oracles.stored_scores import boosted_probability, logistic_probability
from tests.serving.registered_models import ASSETS, NOW, promote, seen_at, settings_in
from tests.serving.trading import decision_of
from training.models.families import FAMILIES as ALL_FAMILIES
from training.models.registrable import choose_family


@pytest.fixture(scope="module", params=FAMILIES)
def registered(request, home):
    settings = settings_of(home, request.param)
    model = register(settings)
    promote(settings, model)
    return settings, registry.find_champion(settings)


def probabilities(estimator):
    matrix = build_model_matrix(labelled(), PAIR_FOREST_FEATURES)
    return np.asarray(estimator.predict_proba(matrix))[:, list(estimator.classes_).index(1)]


def test_what_trades_scores_with_the_bits_of_what_was_backtested(registered):
    settings, model = registered
    backtested = probabilities(fitted(model.family).estimator)
    traded = probabilities(load_scorer(settings, model).estimator)
    assert backtested.tobytes() == traded.tobytes()
    assert np.isfinite(traded).all()
    assert ((traded >= 0) & (traded <= 1)).all()
    assert model.family == settings.model.family


def test_a_model_scores_with_the_same_bits_in_another_process(registered):
    settings, model = registered
    scorer = load_scorer(settings, model)
    sent = pickle.loads(pickle.dumps(scorer))
    assert sent.ref == scorer.ref
    assert probabilities(sent.estimator).tobytes() == probabilities(scorer.estimator).tobytes()


def test_a_decision_is_scored_and_computed_again_to_the_same_float(registered):
    settings, model = registered
    champion = Champion(settings, Mode.DEMO)
    seen = seen_at(settings, 20)
    scores = champion.scorer.score(seen.pair_rows, settings.universe.pairs, seen.event_timestamp)
    decision = replace(
        decision_of(), model_name=model.name, model_version=model.version, model_sha256=champion.ref.sha256
    )
    for row, score in zip(seen.pair_rows.iter_rows(named=True), scores, strict=True):
        values = {name: row[name] for name in PAIR_FOREST_FEATURES.features}
        vector = FeatureVector(
            decision.decision_id, PAIR_FOREST_FEATURES.name, row["pair_id"], seen.event_timestamp, values
        )
        assert rescore(settings, decision, vector).probability == score.probability is not None


def test_the_same_rows_give_the_same_digest_and_other_labels_another_one():
    for family in ("pair_boosting", "pair_logistic"):
        again = fitted.__wrapped__(family)
        assert again.digest == fitted(family).digest != fitted(family, 2).digest


def test_an_asset_that_was_not_learnt_about_is_refused_and_so_are_other_columns(registered):
    settings, model = registered
    estimator = load_estimator(Layout.of(settings), model)
    matrix = build_model_matrix(labelled().head(4), PAIR_FOREST_FEATURES)
    with pytest.raises(ValueError, match="DOGE"):
        estimator.predict_proba(matrix.assign(base_asset="DOGE"))
    with pytest.raises(ValueError, match="z_score"):
        estimator.predict_proba(matrix.drop(columns="z_score"))
    assert estimator.predict_proba(matrix.head(1)).shape == (1, 2)


def test_boosted_trees_are_scored_as_the_oracle_scores_them():
    model, rows = fitted("pair_boosting"), labelled().head(60)
    places = {asset: float(place) for place, asset in enumerate(ASSETS)}
    slow = [
        boosted_probability(
            model.files["trees.txt"],
            [places.get(value, float("nan") if value is None else value) for value in row],
        )
        for row in rows.select(PAIR_FOREST_FEATURES.features).iter_rows()
    ]
    assert probabilities(model.estimator)[:60].tolist() == slow
    assert len(set(slow)) > 10


def test_a_logistic_model_is_scored_as_the_oracle_scores_it():
    model, rows = fitted("pair_logistic"), labelled().head(60)
    slow = [logistic_probability(model.files["model.json"], row) for row in rows.iter_rows(named=True)]
    assert probabilities(model.estimator)[:60].tolist() == slow
    assert len(set(slow)) > 10


def test_the_leaderboard_scores_with_the_bits_of_the_registered_model():
    for family in ("pair_boosting", "pair_logistic", "always_revert", "zero_forecast"):
        settings = settings_of("/nowhere", family)
        rows = labelled()
        ranked = ALL_FAMILIES[family].fit(rows, PAIR_FOREST_FEATURES, settings).predict(rows)
        assert np.asarray(ranked).tobytes() == probabilities(fitted(family).estimator).tobytes()


@pytest.mark.parametrize("name", sorted(set(ALL_FAMILIES) - set(FAMILIES)))
def test_a_family_that_says_no_probability_of_every_pair_is_refused_by_name(name):
    with pytest.raises(ConfigError, match=f"'{name}' forecasts") as caught:
        choose_family(settings_of("/nowhere", name))
    assert "pair_boosting" in caught.value.remedy
    with pytest.raises(UnknownNameError, match="unknown family 'deep'"):
        choose_family(settings_of("/nowhere", "deep"))


@pytest.mark.parametrize("label", [*FAMILIES, "pair_forest ", "", "skops"])
@pytest.mark.parametrize("family", FAMILIES)
def test_files_under_another_label_are_refused_at_registration_and_at_loading(family, label, home):
    """A plain forest's label lets a calibrated forest in, as it always did; else each label has its own files."""
    if label == family or (family, label) == ("pair_forest_calibrated", "pair_forest"):
        return
    settings = settings_of(home, family)
    if not registry.list_versions(settings):
        register(settings)
    model = registry.find_version(settings, "1")
    swapped = {**model.tags, FAMILY_TAG: label}
    with pytest.raises((ModelIntegrityError, UnknownNameError)):
        registry.register(settings_in(home, "swapped"), model.run_id, model.uri, swapped)
    relabelled = replace(model, tags=swapped)
    with pytest.raises((ModelIntegrityError, UnknownNameError)):
        load_estimator(Layout.of(settings), relabelled)
    with pytest.raises(SignatureError):
        Verifier(Layout.of(settings)).require_registration(relabelled)
    assert registry.list_versions(settings_in(home, "swapped")) == []


def test_a_label_is_signed_and_a_version_without_one_is_signed_as_ever(home):
    forest, boosting = (
        registry.find_version(settings, "1")
        for settings in (settings_of(home, "pair_forest"), settings_of(home, "pair_boosting"))
        if registry.list_versions(settings) or register(settings)
    )
    assert set(claim_registration("store", forest).statement["tags"]) == set(LINEAGE_TAGS)
    assert set(claim_registration("store", boosting).statement["tags"]) == {*LINEAGE_TAGS, FAMILY_TAG}
    for model in (
        replace(boosting, tags={name: value for name, value in boosting.tags.items() if name != FAMILY_TAG}),
        replace(forest, tags={**forest.tags, FAMILY_TAG: "pair_forest"}),
    ):
        with pytest.raises(SignatureError):
            Verifier(Layout.of(settings_in(home))).require_registration(model)


def test_a_champion_of_another_family_is_followed_and_rolled_back(home):
    settings = settings_of(home, "pair_forest", "followed")
    promote(settings, register(settings))
    champion = Champion(settings, Mode.DEMO)
    other = settings_of(home, "pair_boosting", "followed")
    promote(other, register(other))
    assert champion.follow() == []
    assert (champion.ref.version, champion.ref.family) == ("2", "pair_boosting")
    registry.rollback(settings, "a test", NOW)
    assert champion.follow() == []
    assert (champion.ref.version, champion.ref.family) == ("1", "pair_forest")


def test_files_of_other_features_or_assets_than_the_version_says_are_refused():
    files = fitted("pair_boosting").files
    here = ModelFiles("here", files)
    require_model(here, tags_of("pair_boosting"))
    require_model(here, tags_of("pair_boosting") | {"universe": ""})
    for tags in ({"universe": "BTC,ETH"}, {"universe": "SOL,ETH,BTC"}, {"feature_service": "lagged_returns_v1"}):
        with pytest.raises(ModelIntegrityError):
            require_model(here, tags_of("pair_boosting") | tags)
    with pytest.raises(UnknownNameError):
        require_model(here, tags_of("pair_boosting") | {"feature_service": "forgotten_v0"})
    assert LINEAGE["universe"] == ",".join(ASSETS)


def test_a_models_files_are_private(home):
    settings = settings_of(home, "pair_boosting", "private")
    folder = verified_directory(Layout.of(settings), register(settings))
    assert {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir()} == {"model.json": 0, "trees.txt": 0}


def test_other_files_than_ours_are_not_even_logged_under_a_models_name(home):
    settings = settings_of(home, "pair_logistic", "logged")
    run_id, uri = log(settings, fitted("pair_logistic"), {"model.json": b"{}"})
    with pytest.raises(ModelIntegrityError, match="does not have the fields format, family"):
        registry.register(settings, run_id, uri, tags_of("pair_logistic"))
