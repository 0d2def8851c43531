"""Families of models behind one interface: what is fitted on labelled rows, and gives a probability for any row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import Service
from feature_repo.vectors import model_matrix
from pairity.errors import UnknownNameError
from pairity.settings import Settings
from pairity.universe import Pair
from training.models import pair_boosting, pair_forest
from training.scoring import fit_forest

Floats = NDArray[np.float64]


class Model(Protocol):
    """A fitted model."""

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Probability of label 1 for each row (features of the family's service), in the rows' order."""
        ...

    def importances(self) -> dict[str, float]:
        """Share of each feature, largest first; empty for rules."""
        ...


@dataclass(frozen=True, slots=True)
class Family:
    """One line of the leaderboard. `fit` gets labelled training rows, the service and the settings."""

    name: str
    told: str
    fit: Callable[[pl.DataFrame, Service, Settings], Model]
    pair: Callable[[Settings], Pair] | None = None
    """The only pair that it is trained on and trades, if it is not for all."""


@dataclass(frozen=True, slots=True)
class Forest:
    """A fitted pair forest."""

    pipeline: Any
    service: Service

    def predict(self, rows: pl.DataFrame) -> Floats:
        """See `Model`."""
        return pair_forest.predict(self.pipeline, model_matrix(rows, self.service))

    def importances(self) -> dict[str, float]:
        """Mean decrease in impurity."""
        return pair_forest.importances(self.pipeline)


@dataclass(frozen=True, slots=True)
class Constant:
    """A rule that thinks nothing: every row gets the same probability."""

    probability: float

    def predict(self, rows: pl.DataFrame) -> Floats:
        """See `Model`."""
        return np.full(rows.height, self.probability)

    def importances(self) -> dict[str, float]:
        """None: it looks at nothing."""
        return {}


def _forest(rows: pl.DataFrame, service: Service, settings: Settings) -> Forest:
    return Forest(fit_forest(rows, service, settings), service)


def _btc_eth(settings: Settings) -> Pair:
    from training.backtest.policies import baseline_pair

    return baseline_pair(settings.universe.assets)


def _always(_rows: pl.DataFrame, _service: Service, _settings: Settings) -> Model:
    return Constant(1.0)


def _never(_rows: pl.DataFrame, _service: Service, _settings: Settings) -> Model:
    return Constant(0.0)


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("pair_forest", "random forest over all pairs (reference)", _forest),
        Family("pair_boosting", "LightGBM over all pairs, tuned inside the training rows", pair_boosting.fit),
        Family("btc_eth_baseline", "the same forest on BTC/ETH alone, 6 % stop, 5 % target", _forest, _btc_eth),
        Family("always_revert", "every spread beyond the entry level reverts", _always),
        Family("zero_forecast", "no spread reverts: nothing is traded", _never),
    )
}


def family(name: str) -> Family:
    """The family of that name; UnknownNameError with those that exist."""
    if name not in FAMILIES:
        raise UnknownNameError("family", name, FAMILIES)
    return FAMILIES[name]
