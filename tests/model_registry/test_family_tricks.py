"""Files of models that are no forest, changed by somebody who can give them the right digest: none is loaded."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.catalog import PAIR_FOREST_FEATURES
from feature_repo.model_matrix import build_model_matrix
from model_registry import registry
from model_registry.files import ModelFiles, model_digest
from model_registry.lightgbm_text import TREES_MAX_BYTES
from model_registry.loading import load_estimator, verified_directory
from model_registry.records import DIGEST_TAG
from model_registry.scorer_card import CARD_MAX_BYTES
from model_registry.stored_scorers import build_scorer
from pairity.errors import ModelIntegrityError, RegistryError
from pairity.layout import Layout
from tests.model_registry.family_models import SCORERS, fitted, labelled, register, settings_of, tags_of
from tests.serving.registered_models import ASSETS, settings_in


def changed_card(family, /, **changes):
    content = json.loads(fitted(family).files["model.json"]) | changes
    return {**fitted(family).files, "model.json": json.dumps(content).encode()}


def with_scorer(family, **changes):
    return changed_card(family, scorer=json.loads(fitted(family).files["model.json"])["scorer"] | changes)


def raw(family, old, new):
    content = fitted(family).files["model.json"]
    assert old in content
    return {**fitted(family).files, "model.json": content.replace(old, new, 1)}


def without(family, name):
    return {key: value for key, value in fitted(family).files.items() if key != name}


FEATURES = list(PAIR_FOREST_FEATURES.features)
TRICKS = {
    "another format": ("pair_logistic", lambda: changed_card("pair_logistic", format=2)),
    "a format that is true": ("pair_logistic", lambda: changed_card("pair_logistic", format=True)),
    "a field more": ("pair_logistic", lambda: changed_card("pair_logistic", loader="os.system")),
    "a list": ("pair_logistic", lambda: {"model.json": b"[]"}),
    "nothing": ("pair_logistic", lambda: {"model.json": b""}),
    "a pickle": ("pair_logistic", lambda: {"model.json": b"cos\nsystem\n(S'true'\ntR."}),
    "brackets": ("pair_logistic", lambda: {"model.json": b"[" * 200_000}),
    "a bomb of values": ("pair_logistic", lambda: {"model.json": b"[" + b"1," * 300_000 + b"1]"}),
    "a card too large": ("pair_logistic", lambda: {"model.json": b" " * (CARD_MAX_BYTES + 1)}),
    "trees too large": (
        "pair_boosting",
        lambda: {**fitted("pair_boosting").files, "trees.txt": b"\n" * (TREES_MAX_BYTES + 1)},
    ),
    "a field twice": ("pair_logistic", lambda: raw("pair_logistic", b'"format"', b'"format": 1, "format"')),
    "the family of a forest": ("pair_logistic", lambda: changed_card("pair_logistic", family="pair_forest")),
    "another family": ("pair_logistic", lambda: changed_card("pair_logistic", family="always_revert")),
    "a family without end": ("pair_logistic", lambda: changed_card("pair_logistic", family="x" * 5000)),
    "features in another order": ("pair_logistic", lambda: changed_card("pair_logistic", features=FEATURES[::-1])),
    "a feature less": ("pair_logistic", lambda: changed_card("pair_logistic", features=FEATURES[:-1])),
    "a feature twice": ("pair_logistic", lambda: changed_card("pair_logistic", features=FEATURES + FEATURES[:1])),
    "assets in another order": (
        "pair_boosting",
        lambda: changed_card("pair_boosting", categories=dict.fromkeys(("base_asset", "quote_asset"), ASSETS[::-1])),
    ),
    "other assets": (
        "pair_boosting",
        lambda: changed_card("pair_boosting", categories=dict.fromkeys(("base_asset", "quote_asset"), ("A", "B", "C"))),
    ),
    "no categories": ("pair_boosting", lambda: changed_card("pair_boosting", categories={})),
    "numbers as categories": (
        "pair_logistic",
        lambda: changed_card("pair_logistic", categories={"z_score": list(ASSETS)}),
    ),
    "a scorer of another kind": ("pair_logistic", lambda: with_scorer("pair_logistic", kind="pickle")),
    "a scorer without a kind": ("pair_logistic", lambda: changed_card("pair_logistic", scorer={})),
    "the scorer of another family": (
        "pair_logistic",
        lambda: changed_card("pair_logistic", scorer={"kind": "constant", "probability": 1.0}),
    ),
    "a slope too few": ("pair_logistic", lambda: with_scorer("pair_logistic", slopes=[1.0])),
    "a slope beyond sense": ("pair_logistic", lambda: with_scorer("pair_logistic", slopes=[1e9] * 20)),
    "slopes of text": ("pair_logistic", lambda: with_scorer("pair_logistic", slopes=["1.0"] * 20)),
    "slopes of whole numbers": ("pair_logistic", lambda: with_scorer("pair_logistic", slopes=[1] * 20)),
    "slopes of truth": ("pair_logistic", lambda: with_scorer("pair_logistic", slopes=[True] * 20)),
    "a scale of zero": ("pair_logistic", lambda: with_scorer("pair_logistic", scales=[0.0] * 20)),
    "a negative scale": ("pair_logistic", lambda: with_scorer("pair_logistic", scales=[-1.0] * 20)),
    "an intercept that is none": ("pair_logistic", lambda: with_scorer("pair_logistic", intercept=None)),
    "an intercept without end": (
        "pair_logistic",
        lambda: raw("pair_logistic", b'"intercept": ', b'"intercept": 1e999'),
    ),
    "an intercept of no number": (
        "pair_logistic",
        lambda: raw("pair_logistic", b'"intercept": ', b'"intercept": NaN, "x": '),
    ),
    "another probability": ("always_revert", lambda: with_scorer("always_revert", probability=0.9)),
    "a probability beyond 1": ("always_revert", lambda: with_scorer("always_revert", probability=1.5)),
    "a probability of no number": ("always_revert", lambda: raw("always_revert", b"1.0", b"NaN")),
    "trees beside a rule": ("always_revert", lambda: {**fitted("always_revert").files, "trees.txt": b"tree\n"}),
    "no trees": ("pair_boosting", lambda: without("pair_boosting", "trees.txt")),
    "no card": ("pair_boosting", lambda: without("pair_boosting", "model.json")),
    "trees that are a pickle": (
        "pair_boosting",
        lambda: {**fitted("pair_boosting").files, "trees.txt": b"cos\nsystem\n"},
    ),
    "the half of the trees": (
        "pair_boosting",
        lambda: {**fitted("pair_boosting").files, "trees.txt": fitted("pair_boosting").files["trees.txt"][:9000]},
    ),
    "a library's own file": ("pair_boosting", lambda: {**fitted("pair_boosting").files, "model.lgb": b"tree\n"}),
    "a forest beside it": ("pair_boosting", lambda: {**fitted("pair_boosting").files, "model.skops": b"PK"}),
}


@pytest.fixture(scope="module")
def folders(home):
    """The folder of a registered model of each family, with what is in it."""
    found = {}
    for family in SCORERS:
        settings = settings_of(home, family, f"tricked_{family}")
        model = register(settings)
        folder = verified_directory(Layout.of(settings), model)
        found[family] = settings, model, folder
    return found


@pytest.mark.parametrize("trick", TRICKS)
def test_files_with_a_trick_are_neither_registered_nor_loaded(trick, folders, home):
    family, make = TRICKS[trick]
    settings, model, folder = folders[family]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    changed = make()
    assert changed != before
    try:
        for path in folder.iterdir():
            path.unlink()
        for name, content in changed.items():
            (folder / name).write_bytes(content)
        digest = model_digest(ModelFiles(folder, changed))
        version = replace(model, sha256=digest, tags={**model.tags, DIGEST_TAG: digest})
        with pytest.raises(RegistryError) as caught:
            load_estimator(Layout.of(settings), version)
        assert len(caught.value.what) < 600
        assert caught.value.remedy
        with pytest.raises(RegistryError):
            registry.register(settings_in(home, "tricks_of_families"), model.run_id, model.uri, tags_of(family))
    finally:
        for path in folder.iterdir():
            path.unlink()
        for name, content in before.items():
            (folder / name).write_bytes(content)
    load_estimator(Layout.of(settings), model)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)


def places_of(value, path=()):
    """Every place of a JSON value, from the top down."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places_of(one, (*path, key))


@given(st.sampled_from(SCORERS), st.data())
def test_a_card_with_anything_at_any_place_is_refused_or_says_probabilities(family, data):
    content = json.loads(fitted(family).files["model.json"])
    *way, last = data.draw(st.sampled_from([place for place in places_of(content) if place]))
    holder = content
    for key in way:
        holder = holder[key]
    holder[last] = data.draw(JSON)
    files = {**fitted(family).files, "model.json": json.dumps(content).encode()}
    try:
        scorer = build_scorer(files, "here")
    except ModelIntegrityError:
        return
    try:
        found = scorer.predict_proba(build_model_matrix(labelled().head(30), PAIR_FOREST_FEATURES))
    except ValueError:  # other features or assets, which the version's own would have refused
        return
    assert ((found >= 0) & (found <= 1)).all()
    assert np.allclose(found.sum(axis=1), 1.0)
