"""What a book learnt as files of its version: back to the last bit, and refused by name where anything is another."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from model_registry.files import ModelFiles, model_digest
from model_registry.loading import load_book, require_model, verified_directory
from model_registry.outcome_fits import PAIR_COLUMNS, PAIR_FEATURES
from model_registry.ranker_fits import RANK_FEATURES
from model_registry.stored_books import BOOK_FILE, read_book
from pairity.digest import digest_bytes
from pairity.errors import ModelIntegrityError
from pairity.layout import Layout
from tests.model_registry.book_fits import LEARNT, make_fit
from tests.model_registry.book_versions import make_book, register_book
from tests.serving.registered_models import settings_in

MADE_AT = datetime(2024, 1, 5, tzinfo=UTC)
RIDGE, TREES, FOREST, PAIRS = LEARNT
FIRST_TREES = "trees_3d.txt"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return settings_in(tmp_path_factory.mktemp("home"))


def make_learnt(settings, family, **changes):
    return make_book(settings, family, **{"fit": make_fit(family, MADE_AT), **changes})


def make_tags(settings, family, **changes):
    return {"family": family, "universe": ",".join(settings.universe.assets), **changes}


@pytest.mark.parametrize("family", LEARNT)
def test_a_registered_fit_comes_back_to_the_last_bit_and_says_the_same(settings, family):
    made = make_learnt(settings, family)
    version = register_book(settings, made)
    assert version.is_book
    found = load_book(Layout.of(settings), version)
    assert found == made
    assert found.to_files() == made.to_files()
    ranks = np.random.default_rng(3).uniform(-0.5, 0.5, (50, len(FEATURES[family])))
    ranks[ranks > 0.45] = np.nan
    for days, model in found.fit.models.items():
        assert model.predict(ranks).tobytes() == made.fit.models[days].predict(ranks).tobytes()
        alone = [float(model.predict(row[None, :])[0]) for row in ranks]
        assert model.predict(ranks).tolist() == alone


@pytest.mark.parametrize("family", LEARNT[1:])
def test_trees_say_what_lightgbm_says_of_them(family):
    import lightgbm

    rows = np.random.default_rng(4).uniform(-0.5, 0.5, (200, len(FEATURES[family])))
    rows[rows > 0.4] = np.nan
    for model in make_fit(family, MADE_AT).models.values():
        peer = lightgbm.Booster(model_str=model.text.decode()).predict(rows, num_threads=1)
        assert model.predict(rows).tobytes() == (getattr(model, "mean", 0.0) + np.asarray(peer)).tobytes()


@pytest.mark.parametrize("family", [FOREST, PAIRS])
def test_trading_nothing_is_a_fit_too_and_holdings_may_lack_a_model(settings, family):
    whole = make_fit(family, MADE_AT)
    idle = replace(whole, models={}, margin=None)
    few = replace(whole, models={hours: whole.models[hours] for hours in (72, 720)})
    for fit in (idle, few):
        files = make_learnt(settings, family, fit=fit).to_files()
        content = files.pop(BOOK_FILE)
        assert len(files) == len(fit.models)
        assert read_book(content, make_tags(settings, family), "a place", files).fit == fit
    names, table = ("A", "B"), np.full((len(RANK_FEATURES), 2), np.nan)
    assert idle.look(names, table, np.full((1, len(PAIR_COLUMNS)), np.nan)) == {("A", "B"): None}


def test_another_fit_is_another_version(settings):
    digests = {
        model_digest(ModelFiles(Layout.of(settings).root, make_learnt(settings, family, **own).to_files()))
        for family in LEARNT
        for own in ({}, {"fit": make_fit(family, MADE_AT, 1)}, {"fit": make_fit(family, MADE_AT + timedelta(days=1))})
    }
    assert len(digests) == 12


def change(part, **values):
    def apply(card):
        one = card
        for step in part:
            one = one[step]
        one.update(values)

    return apply


FIT, MODEL = ("fit",), ("fit", "models", 0)
FEATURES = dict.fromkeys((RIDGE, TREES), RANK_FEATURES) | dict.fromkeys((FOREST, PAIRS), PAIR_FEATURES)
SLOPES = [0.0] * len(RANK_FEATURES)
HOSTILE = {
    "a fit as a text": (RIDGE, change((), fit="x"), "its fit does not have the fields"),
    "a field more": (RIDGE, change(FIT, code="x"), "its fit does not have the fields"),
    "no close": (RIDGE, change(FIT, made_at="yesterday"), "made_at is 'yesterday'"),
    "a close without a zone": (RIDGE, change(FIT, made_at="2024-01-05T00:00:00"), "no close of an hour in UTC"),
    "a close within an hour": (RIDGE, change(FIT, made_at="2024-01-05T00:30:00+00:00"), "no close of an hour in UTC"),
    "a number for a close": (RIDGE, change(FIT, made_at=5), "no close of an hour in UTC"),
    "other features": (RIDGE, change(FIT, features=["x"]), "not those that this release forecasts by"),
    "features in another order": (
        RIDGE,
        change(FIT, features=[*RANK_FEATURES[::-1]]),
        "not those that this release",
    ),
    "another digest of features": (RIDGE, change(FIT, features_sha256="0" * 64), "not those that this release"),
    "a horizon less": (RIDGE, lambda card: card["fit"]["models"].pop(), "does not have the 2 horizons"),
    "no list of horizons": (RIDGE, change(FIT, models={"3": 1}), "its models are no list"),
    "another horizon": (RIDGE, change(MODEL, days=30), "days is '30', not 3"),
    "true for days": (RIDGE, change(MODEL, days=True), "days is 'True', not 3"),
    "slopes that lack one": (RIDGE, change(MODEL, slopes=SLOPES[1:]), "slopes is no list"),
    "a slope as a text": (RIDGE, change(MODEL, slopes=["1", *SLOPES[1:]]), "slopes is '1', not a number"),
    "a slope beyond its bounds": (RIDGE, change(MODEL, slopes=[1e7, *SLOPES[1:]]), "slopes is"),
    "a mean beyond its bounds": (RIDGE, change(MODEL, mean=4.5), "mean is"),
    "an integer for a mean": (RIDGE, change(MODEL, mean=1), "mean is"),
    "trees for a ridge": (RIDGE, change(MODEL, trees_sha256="0" * 64), "its model of 3 days"),
    "an outcome's margin for a ranker": (RIDGE, change(FIT, margin=0.0), "its fit does not have the fields"),
    "no margin": (PAIRS, lambda card: card["fit"].pop("margin"), "its fit does not have the fields"),
    "a margin below nothing": (PAIRS, change(FIT, margin=-1.0), "margin is"),
    "a margin as a text": (PAIRS, change(FIT, margin="0"), "margin is"),
    "an integer for a margin": (PAIRS, change(FIT, margin=1), "margin is"),
    "models that trade nothing": (PAIRS, change(FIT, margin=None), "it trades nothing, and holds models"),
    "a round trip beyond its bounds": (PAIRS, change(FIT, round_trip=2.0), "round_trip is"),
    "another holding": (PAIRS, change(MODEL, hours=25), "hours is '25', not the next of 24, 72, 168, 720"),
    "a holding as a text": (PAIRS, change(MODEL, hours="24"), "not the next of"),
    "holdings in another order": (FOREST, lambda card: card["fit"]["models"].reverse(), "not the next of"),
    "a holding twice": (FOREST, change(("fit", "models", 1), hours=24), "not the next of"),
    "a holding less, and its trees": (FOREST, lambda card: card["fit"]["models"].pop(), "not the trees of its fit"),
    "boosting for a forest": (FOREST, lambda card: card.update(family=PAIRS, band=0.01), "its file holds"),
    "slopes for trees": (TREES, change(MODEL, slopes=SLOPES), "its model of 3 days"),
    "another digest of trees": (TREES, change(MODEL, trees_sha256="0" * 64), "is not the file that its fit names"),
    "a path for a digest": (TREES, change(MODEL, trees_sha256="../x"), "is not the file that its fit names"),
}


@pytest.mark.parametrize("trick", HOSTILE)
def test_a_hostile_fit_is_refused_by_name(settings, trick):
    family, apply, words = HOSTILE[trick]
    files = make_learnt(settings, family).to_files()
    card = json.loads(files.pop(BOOK_FILE))
    apply(card)
    with pytest.raises(ModelIntegrityError, match=words):
        read_book(json.dumps(card).encode(), make_tags(settings, family), "a place", files)


def test_numbers_that_are_none_are_refused(settings):
    content = make_learnt(settings, RIDGE).to_files()[BOOK_FILE]
    card = json.loads(content)
    mean = json.dumps(card["fit"]["models"][0]["mean"]).encode()
    for value in (b"NaN", b"Infinity", b"1e999"):
        with pytest.raises(ModelIntegrityError, match="refused"):
            read_book(content.replace(mean, value, 1), make_tags(settings, RIDGE), "a place")


def test_trees_that_are_missing_or_none_or_too_many_are_refused(settings):
    files = make_learnt(settings, TREES).to_files()
    content, tags = files.pop(BOOK_FILE), make_tags(settings, TREES)
    with pytest.raises(ModelIntegrityError, match=f"{FIRST_TREES} is not the file that its fit names"):
        read_book(content, tags, "a place", {name: text for name, text in files.items() if name != FIRST_TREES})
    ridge = make_learnt(settings, RIDGE).to_files()[BOOK_FILE]
    with pytest.raises(ModelIntegrityError, match=f"beside it lie {FIRST_TREES}, not the trees"):
        read_book(ridge, make_tags(settings, RIDGE), "a place", {FIRST_TREES: files[FIRST_TREES]})
    rule = make_book(settings).to_files()[BOOK_FILE]
    with pytest.raises(ModelIntegrityError, match="and nothing of it is learnt"):
        read_book(rule, make_tags(settings, "trend_carry_book"), "a place", {FIRST_TREES: files[FIRST_TREES]})
    text = files[FIRST_TREES].replace(b"objective=regression", b"objective=binary sigmoid:1")
    card = json.loads(content)
    card["fit"]["models"][0]["trees_sha256"] = digest_bytes(text)
    with pytest.raises(ModelIntegrityError, match="objective"):
        read_book(json.dumps(card).encode(), tags, "a place", {**files, FIRST_TREES: text})


def test_a_fit_that_is_younger_than_what_its_version_has_seen_is_refused(settings):
    content = make_learnt(settings, RIDGE).to_files()[BOOK_FILE]
    tags = make_tags(settings, RIDGE, train_end=(MADE_AT - timedelta(hours=1)).isoformat())
    with pytest.raises(
        ModelIntegrityError, match=r"fitted at 2024-01-05 00:00 UTC, and its version .* seen 2024-01-04"
    ):
        read_book(content, tags, "a place")
    read_book(content, make_tags(settings, RIDGE, train_end=MADE_AT.isoformat()), "a place")


def test_trees_beside_another_model_are_refused(settings, tmp_path):
    version = register_book(settings)
    folder = verified_directory(Layout.of(settings), version)
    (folder / FIRST_TREES).write_bytes(b"tree\n")
    with pytest.raises(ModelIntegrityError, match="is not the one that was registered"):
        load_book(Layout.of(settings), version)
    files = ModelFiles(tmp_path, {BOOK_FILE: (folder / BOOK_FILE).read_bytes(), FIRST_TREES: b"tree\n"})
    with pytest.raises(ModelIntegrityError, match="nothing of it is learnt"):
        require_model(files, version.tags)


def test_trees_of_a_forest_are_none_of_boosting(settings):
    """The forest says a mean and boosting a sum: one's text is refused where the other's must be."""
    for family, other in ((FOREST, PAIRS), (PAIRS, FOREST)):
        files = make_learnt(settings, family).to_files()
        fit = make_fit(other, MADE_AT)
        card = json.loads(files.pop(BOOK_FILE))
        text = fit.models[24].text
        card["fit"]["models"][0]["trees_sha256"] = digest_bytes(text)
        tags, files = make_tags(settings, family), {**files, "trees_24h.txt": text}
        with pytest.raises(ModelIntegrityError, match="refused"):
            read_book(json.dumps(card).encode(), tags, "a place", files)
