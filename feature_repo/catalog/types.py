"""Records of the catalogue: what is declared about a feature, a view and a service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pairity.timeline import HOUR

DType = Literal["float64", "int64", "string"]
EVENT_TIME = "event_timestamp"
CREATED_TIME = "created_timestamp"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column. `lookback_bars` counts the bars of its view (`View.every`) that a value needs, its own included.

    Outside `lower` and `upper` a value cannot be right (validation withholds it).
    """

    name: str
    formula: str
    unit: str
    lookback_bars: int
    inputs: tuple[str, ...]
    nulls: str
    dtype: DType = "float64"
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One feature view: one entity, one transform, one set of files."""

    name: str
    entity: str
    description: str
    lookback: timedelta
    """How long before a chunk's anchor (a month's start) computation begins."""
    features: tuple[Feature, ...]
    inputs: tuple[str, ...]
    """Raw datasets and views that the transform reads."""
    every: timedelta = HOUR
    """Distance between the event times of one entity."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Feature columns in declaration order."""
        return tuple(feature.name for feature in self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the published files, in order."""
        return (self.entity, EVENT_TIME, CREATED_TIME, *self.feature_names)


@dataclass(frozen=True, slots=True)
class Service:
    """A named set of features of one view: what a model is trained on and later reads online."""

    name: str
    description: str
    view: str
    features: tuple[str, ...]
