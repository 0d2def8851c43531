"""Expectation suites as lists of rules: one per raw dataset and per feature view, derived from their declarations."""

from __future__ import annotations

from collections.abc import Mapping

from feature_repo.catalog import VIEWS
from pairity.errors import UnknownNameError
from validation.rules import Rule
from validation.suites.features import list_feature_rules
from validation.suites.raw import RAW_RULES

SUITES: Mapping[str, tuple[Rule, ...]] = {
    **RAW_RULES,
    **{name: list_feature_rules(view) for name, view in VIEWS.items()},
}


def find_rules(suite: str) -> tuple[Rule, ...]:
    """Return the rules of a suite; UnknownNameError lists the suites that exist."""
    if suite not in SUITES:
        raise UnknownNameError("expectation suite", suite, SUITES)
    return SUITES[suite]


def explain_rule(suite: str, rule: str) -> str:
    """Return what it means that `rule` of `suite` is broken."""
    return next((known.meaning for known in find_rules(suite) if known.name == rule), "a rule that no longer exists")
