"""Expectation suites as lists of rules: one per raw dataset, one per feature view (derived from the catalogue)."""

from __future__ import annotations

from collections.abc import Mapping

from feature_repo.catalog import VIEWS
from pairity.errors import UnknownNameError
from validation.rules import Rule
from validation.suites.features import feature_rules
from validation.suites.raw import CANDLE_RULES, FUNDING_RULES

SUITES: Mapping[str, tuple[Rule, ...]] = {
    "candles_1m": CANDLE_RULES,
    "candles_1h": CANDLE_RULES,
    "funding": FUNDING_RULES,
    **{name: feature_rules(view) for name, view in VIEWS.items()},
}


def rules_of(suite: str) -> tuple[Rule, ...]:
    """The rules of a suite; UnknownNameError lists those that exist."""
    if suite not in SUITES:
        raise UnknownNameError("expectation suite", suite, SUITES)
    return SUITES[suite]
