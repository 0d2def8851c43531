"""Rules of a feature view, derived from its declaration."""

from __future__ import annotations

from feature_repo.catalog import View
from validation.rules import Rule, require_measured, require_none


def list_feature_rules(view: View) -> tuple[Rule, ...]:
    """Return rules on keys, times, finiteness, the catalogue's bounds, and nulls in columns that are never null."""
    bounded = [
        require_none(f"out_of_bounds__{feature.name}", f"{feature.name} outside [{feature.lower}, {feature.upper}]")
        for feature in view.features
        if feature.lower is not None or feature.upper is not None
    ]
    never_null = [
        require_none(f"nulls__{feature.name}", f"{feature.name} is null")
        for feature in view.features
        if feature.nulls == "never null"
    ]
    return (
        Rule(name="rows", column="rows", meaning="a partition without rows", lower=1.0),
        require_measured(),
        require_none("null_times", "a time is missing"),
        require_none("duplicate_keys", "an entity twice at one event time"),
        require_none("known_before_event", "created before the event"),
        require_none("future_times", "an event that lies in the future"),
        require_none("nonfinite_values", "a feature is NaN or infinite"),
        *bounded,
        *never_null,
    )
