"""The judge: Great Expectations over profiles. One context per data directory and process; a verdict takes moments.

Data Docs are built on request (`build_docs`), not at each verdict, and keep the newest validations only.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pairity.errors import DataError
from pairity.layout import Layout
from pairity.settings import Settings
from validation.rules import Rule
from validation.suites import SUITES, rules_of

if TYPE_CHECKING:
    from great_expectations import ValidationDefinition
    from great_expectations.data_context import FileDataContext

KEPT_VALIDATIONS = 50
"""Validations per suite that the Data Docs keep."""


@dataclass(frozen=True, slots=True)
class FailedRule:
    """One rule that one partition broke: the number that was observed and what it means."""

    rule: str
    observed: float | None
    meaning: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a profile: which partitions may be used, and which must not, with the rules that they broke."""

    suite: str
    passed: tuple[str, ...]
    failed: Mapping[str, tuple[FailedRule, ...]]
    warnings: Mapping[str, tuple[FailedRule, ...]]
    checks: int


def judge(settings: Settings, suite: str, profile: pl.DataFrame) -> Judgement:
    """Judge every row of `profile` by the rules of `suite`; DataError if it lacks a column that a rule needs."""
    rules = rules_of(suite)
    lacking = sorted({rule.column for rule in rules} - set(profile.columns))
    if lacking:
        raise DataError(
            f"the profile for suite {suite} lacks {', '.join(lacking)}", "profile it with validation.profiles"
        )
    numbers = profile.select("key", *{rule.column: pl.col(rule.column).cast(pl.Float64) for rule in rules}.values())
    result = _definition(Layout.of(settings).expectations, suite).run(
        batch_parameters={"dataframe": numbers.to_pandas()}
    )
    by_name = {rule.name: rule for rule in rules}
    failed: dict[str, list[FailedRule]] = {}
    warned: dict[str, list[FailedRule]] = {}
    for item in result.results:
        rule = by_name[item.expectation_config.meta["rule"]]
        for key, broken in _offenders(rule, item, numbers):
            (failed if rule.critical else warned).setdefault(key, []).append(broken)
    keys = profile["key"].to_list()
    return Judgement(
        suite=suite,
        passed=tuple(key for key in keys if key not in failed),
        failed={key: tuple(broken) for key, broken in failed.items()},
        warnings={key: tuple(broken) for key, broken in warned.items()},
        checks=len(rules) * len(keys),
    )


def build_docs(settings: Settings) -> Path:
    """Write the Data Docs of all suites and their newest validations; returns the index page."""
    root = Layout.of(settings).expectations
    context = _context(root)
    for suite in SUITES:
        _definition(root, suite)
    _forget_old_validations(root)
    pages = context.build_data_docs()
    return Path(next(iter(pages.values())).removeprefix("file://"))


def _offenders(rule: Rule, item: Any, numbers: pl.DataFrame) -> list[tuple[str, FailedRule]]:  # noqa: ANN401
    """The partitions behind a failed expectation (`item`, of Great Expectations): those beyond the rule's bound."""
    if item.success:
        return []
    if item.exception_info and item.exception_info.get("raised_exception"):
        raise DataError(f"rule {rule.name} could not be judged: {item.exception_info.get('exception_message')}")
    value = pl.col(rule.column)
    beyond = value > rule.upper if rule.upper is not None else value < rule.lower
    rows = numbers.filter(beyond | value.is_nan()).select("key", rule.column)
    return [(key, FailedRule(rule.name, observed, rule.meaning)) for key, observed in rows.iter_rows()]


@lru_cache(maxsize=8)
def _context(root: Path) -> FileDataContext:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    root.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # Great Expectations imports a module of the standard library that Python 3.11 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="file", project_root_dir=root)
    context.variables.progress_bars = {"globally": False}
    return context


@lru_cache(maxsize=64)
def _definition(root: Path, suite: str) -> ValidationDefinition:
    """The suite bound to profiles of its dataset; stored anew once per process, so that rules follow the code."""
    context = _context(root)
    import great_expectations as gx

    expectations = [_expectation(rule) for rule in rules_of(suite)]
    stored = context.suites.add_or_update(gx.ExpectationSuite(name=suite, expectations=expectations))
    source = context.data_sources.add_or_update_pandas(f"{suite}_profiles")
    batch = source.add_dataframe_asset("partitions").add_batch_definition_whole_dataframe("all")
    return context.validation_definitions.add_or_update(gx.ValidationDefinition(name=suite, data=batch, suite=stored))


def _expectation(rule: Rule) -> Any:  # noqa: ANN401 - an expectation class of Great Expectations
    """One aggregate per rule: a fourth of the cost of looking at each value, and a verdict is due every hour."""
    import great_expectations.expectations as gxe

    kind = gxe.ExpectColumnMaxToBeBetween if rule.upper is not None else gxe.ExpectColumnMinToBeBetween
    return kind(
        column=rule.column,
        min_value=rule.lower,
        max_value=rule.upper,
        severity="critical" if rule.critical else "warning",
        meta={"rule": rule.name},
        notes=rule.meaning,
    )


def _forget_old_validations(root: Path) -> None:
    """Keep the newest validations per suite: pages of thousands of hours would help nobody."""
    for suite in (root / "gx" / "uncommitted" / "validations").glob("*"):
        runs = sorted(path for path in suite.glob("*/*") if path.is_dir())
        for old in runs[:-KEPT_VALIDATIONS]:
            shutil.rmtree(old)
