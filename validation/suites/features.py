"""Rules of a feature view, derived from its declaration."""

from __future__ import annotations

from feature_repo.catalog import View
from validation.rules import Rule, none_of, unmeasured


def feature_rules(view: View) -> tuple[Rule, ...]:
    """Return rules on keys, times, finiteness, the catalogue's bounds, and nulls in columns that are never null."""
    bounded = [
        none_of(f"out_of_bounds__{feature.name}", f"{feature.name} outside [{feature.lower}, {feature.upper}]")
        for feature in view.features
        if feature.lower is not None or feature.upper is not None
    ]
    never_null = [
        none_of(f"nulls__{feature.name}", f"{feature.name} is null")
        for feature in view.features
        if feature.nulls == "never null"
    ]
    return (
        Rule(name="rows", column="rows", meaning="a partition without rows", lower=1.0),
        unmeasured(),
        none_of("null_times", "a time is missing"),
        none_of("duplicate_keys", "an entity twice at one event time"),
        none_of("known_before_event", "created before the event"),
        none_of("future_times", "an event that lies in the future"),
        none_of("nonfinite_values", "a feature is NaN or infinite"),
        *bounded,
        *never_null,
    )
