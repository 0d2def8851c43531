"""Fitted models that can be registered: each as it will be loaded, with the files that it is stored as.

What is not a forest is written to its files first and read back by the registry's own reader. So the backtest scores
with the very model that the trading process will load.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import Service
from feature_repo.model_matrix import build_model_matrix, list_categories
from model_registry.lightgbm_text import TREES_FILE, cut_text
from model_registry.logistic_terms import LOGISTIC
from model_registry.scorer_card import CARD_FILE, ScorerCard
from model_registry.stored_families import CALIBRATED, FOREST, STORED_FAMILIES, StoredFamily
from model_registry.stored_scorers import CONSTANT, TREES, build_scorer
from pairity.books.families import BOOK_FAMILIES
from pairity.digest import digest_bytes, digest_parts
from pairity.errors import ConfigError
from pairity.number_formats import format_plain
from pairity.settings import Settings
from training.evaluation.cost_threshold import CostThreshold
from training.forest_fit import fit_forest
from training.models import pair_boosting, pair_forest, pair_logistic
from training.models.families import calibrate_settings, find_family
from training.models.purged_scores import score_purged
from training.models.thresholds import find_thresholds_of, has_own_threshold


@dataclass(frozen=True, slots=True)
class Registrable:
    """Fitted model of a family that can trade."""

    family: str
    estimator: Any
    """What scores, here and in the trading process: `classes_`, `predict_proba`."""
    importances: Mapping[str, float]
    files: Mapping[str, bytes]
    """Files that it is stored as; empty for a forest, which skops writes."""
    details: str
    """What was fitted, in words, for the model card."""
    chosen: Mapping[str, int] = field(default_factory=dict)
    """Parameters that were chosen inside the training rows."""
    threshold: CostThreshold | None = None
    """Probability above which a position pays; None: the model has no threshold of its own."""
    purged: NDArray[np.float64] | None = None
    """What models fitted on the other rows say of each training row (`purged_scores`); NaN: nothing is said of it."""

    @property
    def trades_above(self) -> float | None:
        """The threshold's value; None without one."""
        return None if self.threshold is None else self.threshold.value

    @property
    def digest(self) -> str:
        """SHA-256 of what was fitted: same rows, settings, seed and library versions, same digest."""
        if self.files:
            return digest_parts((name, digest_bytes(content)) for name, content in self.files.items())
        return digest_fitted(self.estimator)


def digest_fitted(pipeline: Any) -> str:  # noqa: ANN401 - sklearn.Pipeline
    """Return the SHA-256 of a fitted forest.

    The stored files name the run and the time and differ each time. Written only: nothing is ever loaded this way.
    """
    content = io.BytesIO()
    pickler = _ContentPickler(content, protocol=5)
    # Without references to what was written before: which of its parts are one object, and not merely equal, depends on
    # whether the forest was fitted in this process or came from another
    pickler.fast = True
    pickler.dump(pipeline)
    return digest_bytes(content.getvalue())


class _ContentPickler(pickle.Pickler):
    """Writes arrays as their kind, shape and bytes: whether they may be written to depends on where they came from."""

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - of the protocol
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return np.ndarray, (value.shape, str(value.dtype.descr), value.tobytes())
        return NotImplemented


def choose_family(settings: Settings) -> StoredFamily:
    """Return the family that `model.family` names.

    UnknownNameError for a name that does not exist, ConfigError for a family that says no probability of every pair: a
    book, or one of single assets.
    """
    if settings.model.family in BOOK_FAMILIES:
        raise ConfigError(
            f"model.family = {settings.model.family!r} is a book, and a model of pairs is trained here",
            f"choose from {', '.join(STORED_FAMILIES)}; `pairity train` trains books too",
        )
    family = find_family(settings.model.family)
    if family.name not in STORED_FAMILIES:
        what = "returns of single assets" if family.portfolio is not None else "one pair alone, with stops of its own"
        raise ConfigError(
            f"model.family = {family.name!r} forecasts {what}; the trading process needs a probability of every pair",
            f"choose from {', '.join(STORED_FAMILIES)}; `pairity leaderboard` compares all families",
        )
    return STORED_FAMILIES[family.name]


def fit_registrable(rows: pl.DataFrame, service: Service, settings: Settings) -> Registrable:
    """Fit the family `model.family` on labelled rows; raises what `choose_family` and the family's `fit` raise."""
    return _FITS[choose_family(settings).kind](rows, service, settings)


def add_purged_scores(model: Registrable, rows: pl.DataFrame, service: Service, settings: Settings) -> Registrable:
    """Return the model with what its family says of each of `rows`, which it was fitted on, out of sample.

    A family with thresholds of its own has that of `strategy.legs` from them; its `rows` have the outcomes of such
    positions. A rule, which learns nothing, says the same of a row whatever it has seen.
    """
    family, legs = find_family(model.family), settings.strategy.legs
    purged = score_purged(family, rows, service, settings, chosen=model.chosen)
    if purged is None:
        return replace(model, purged=model.estimator.predict_proba(build_model_matrix(rows, service))[:, 1])
    priced = (legs,) if has_own_threshold(family, settings) else ()
    found = find_thresholds_of(purged, rows, settings, legs=priced)
    return replace(model, purged=purged.probabilities, threshold=found.get(legs))


def _fit_forest(rows: pl.DataFrame, service: Service, settings: Settings) -> Registrable:
    pipeline = fit_forest(rows, service, settings)
    return Registrable(
        family=settings.model.family,
        estimator=pipeline,
        importances=pair_forest.compute_importances(pipeline),
        files={},
        details=_describe_forest(settings),
    )


def _fit_calibrated(rows: pl.DataFrame, service: Service, settings: Settings) -> Registrable:
    return _fit_forest(rows, service, calibrate_settings(settings))


def _fit_boosting(rows: pl.DataFrame, service: Service, settings: Settings) -> Registrable:
    model = pair_boosting.fit_boosting(rows, service, settings)
    chosen = ", ".join(f"{name} {value}" for name, value in model.chosen.items())
    return _store(
        settings,
        service,
        {"kind": TREES},
        importances=model.compute_importances(),
        details=f"Boosted trees (LightGBM) over the rows of all pairs, chosen by log loss on purged folds inside the "
        f"training rows: {chosen}; seed {settings.model.seed}",
        trees=model.text,
        chosen=model.chosen,
    )


def _fit_logistic(rows: pl.DataFrame, service: Service, settings: Settings) -> Registrable:
    model = pair_logistic.fit_logistic(rows, service, settings)
    return _store(
        settings,
        service,
        model.terms.to_scorer(),
        importances=model.compute_importances(),
        details=f"Logistic regression over the rows of all pairs on {len(model.names)} standardised features",
    )


def _fit_constant(_rows: pl.DataFrame, service: Service, settings: Settings) -> Registrable:
    probability = STORED_FAMILIES[settings.model.family].probability
    return _store(
        settings,
        service,
        {"kind": CONSTANT, "probability": probability},
        importances={},
        details=f"A rule that gives every pair the probability {format_plain(probability)}; nothing is fitted",
    )


_FITS: Mapping[str, Callable[[pl.DataFrame, Service, Settings], Registrable]] = {
    FOREST: _fit_forest,
    CALIBRATED: _fit_calibrated,
    TREES: _fit_boosting,
    LOGISTIC: _fit_logistic,
    CONSTANT: _fit_constant,
}


def _store(
    settings: Settings,
    service: Service,
    scorer: Mapping[str, Any],
    *,
    importances: Mapping[str, float],
    details: str,
    trees: str | None = None,
    chosen: Mapping[str, int] | None = None,
) -> Registrable:
    """Write the model into its files and read it back."""
    family = settings.model.family
    categories = dict.fromkeys(list_categories(service), settings.universe.traded)
    files = {CARD_FILE: ScorerCard(family, service.features, categories, scorer).to_bytes()}
    if trees is not None:
        files[TREES_FILE] = cut_text(trees)
    return Registrable(
        family=family,
        estimator=build_scorer(files, f"the {family} that was just fitted"),
        importances=importances,
        files=files,
        details=f"{details}. Stored as text and numbers: loading it runs no code of its own.",
        chosen=chosen or {},
    )


def _describe_forest(settings: Settings) -> str:
    model = settings.model
    calibrated = "" if model.calibration == "none" else f", votes calibrated ({model.calibration})"
    return (
        f"One random forest over the rows of all pairs: {model.n_estimators} trees, depth at most {model.max_depth}, "
        f"{model.min_samples_leaf} rows per leaf at least, weight {format_plain(model.positive_weight)} for "
        f"positive rows, seed {model.seed}{calibrated}. Stored in skops format: loading it runs no code of its own."
    )
