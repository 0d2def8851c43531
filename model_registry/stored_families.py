"""Families whose models can be registered and trade, and how each is stored.

A version's family is one of its signed tags and decides how its files are read. Files of another family are refused,
whatever they would say as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from feature_repo.catalog import find_service
from feature_repo.model_matrix import list_categories
from model_registry.logistic_terms import LOGISTIC
from model_registry.records import REFERENCE_FAMILY
from model_registry.scorer_card import CardReader
from model_registry.stored_scorers import CONSTANT, TREES, StoredScorer, build_scorer
from pairity.errors import UnknownNameError
from pairity.number_formats import format_plain

FOREST, CALIBRATED = "forest", "calibrated forest"


@dataclass(frozen=True, slots=True)
class StoredFamily:
    """Family with the kind of its stored form; `probability` is what a constant rule always says."""

    name: str
    kind: str
    probability: float | None = None

    @property
    def is_forest(self) -> bool:
        """Whether the model is a scikit-learn pipeline in the skops format."""
        return self.kind in {FOREST, CALIBRATED}


STORED_FAMILIES: Mapping[str, StoredFamily] = {
    family.name: family
    for family in (
        StoredFamily(REFERENCE_FAMILY, FOREST),
        StoredFamily("pair_forest_calibrated", CALIBRATED),
        StoredFamily("pair_boosting", TREES),
        StoredFamily("pair_logistic", LOGISTIC),
        StoredFamily("always_revert", CONSTANT, 1.0),
        StoredFamily("zero_forecast", CONSTANT, 0.0),
    )
}


def find_stored_family(name: str) -> StoredFamily:
    """Return the family of that name; UnknownNameError lists those that can be registered."""
    if name not in STORED_FAMILIES:
        raise UnknownNameError("family of a registered model", name, STORED_FAMILIES)
    return STORED_FAMILIES[name]


def require_format(family: StoredFamily, is_forest: bool, place: str) -> None:
    """Raise ModelIntegrityError where a forest is labelled as something else, or something else as a forest."""
    if family.is_forest != is_forest:
        found = "a forest" if is_forest else "no forest"
        CardReader(place).refuse(f"its family is {family.name}, and its files hold {found}")


def read_scorer(family: StoredFamily, files: Mapping[str, bytes], tags: Mapping[str, str], place: str) -> StoredScorer:
    """Return the model of checked files; ModelIntegrityError where they are not of the family, features or assets.

    `tags` name the feature service and the universe (not compared where it was not recorded). UnknownNameError for a
    service that is not declared.
    """
    scorer = build_scorer(files, place)
    card, reader = scorer.card, CardReader(place)
    if (card.family, card.scorer["kind"]) != (family.name, family.kind):
        reader.refuse(f"its family is {family.name}, and its files hold {card.family} ({card.scorer['kind']})")
    if family.probability is not None and card.scorer["probability"] != family.probability:
        reader.refuse(
            f"{family.name} always says {format_plain(family.probability)}, "
            f"not {format_plain(card.scorer['probability'])}"
        )
    service = find_service(tags.get("feature_service", ""))
    if card.features != service.features:
        reader.refuse(f"its features are not those of {service.name}")
    universe = tags.get("universe", "")
    if universe and any(list(values) != universe.split(",") for values in card.categories.values()):
        reader.refuse(f"its categories are not the assets {universe}")
    if set(card.categories) != set(list_categories(service)):
        reader.refuse("its categories are not the columns of text")
    return scorer
