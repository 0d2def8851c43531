"""The checkpoint that data passes before it is used: which partitions may be, and which rule stops the others.

A checkpoint, in Great Expectations' words, runs suites on a batch and acts on the result. Here the batch is what was
measured of all partitions of all suites of one stage (raw rows, features), the verdict is Great Expectations' own, and
the action is to store it for the Data Docs, which are built on request (`build_docs`), and to count it for the overview
page. A stage costs one validation and at most two files, however many suites and partitions it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from pairity.layout import Layout
from pairity.settings import Settings
from validation.data_docs import build_docs
from validation.expectations import BrokenRule, find_broken_rules
from validation.measurements import Measurements
from validation.results import save
from validation.rules import FailedRule
from validation.verdict_counts import record_verdicts

__all__ = ["FailedRule", "Judgement", "build_docs", "judge"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Verdict on a profile: which partitions may be used, and which must not be, with the rules that they broke."""

    suite: str
    passed: tuple[str, ...]
    failed: Mapping[str, tuple[FailedRule, ...]]
    warnings: Mapping[str, tuple[FailedRule, ...]]
    checks: int


def judge(settings: Settings, profiles: Mapping[str, pl.DataFrame], *, month: str = "") -> dict[str, Judgement]:
    """Judge every row of the profile of each suite by the rules of the suite, and store the verdicts.

    Each profile has `key` and the columns that the rules look at, one row per partition; a key without a month belongs
    to `month`. A number that is null or NaN has not been measured and fails as `unmeasured`. A profile without rows
    judges nothing and is not stored. DataError if a profile lacks a column that a rule needs, has a key twice or a null
    key, or if Great Expectations cannot judge the numbers; UnknownNameError for a suite that does not exist.
    """
    measured = [Measurements.of(suite, profile) for suite, profile in profiles.items()]
    filled = [numbers for numbers in measured if len(numbers.keys)]
    broken: dict[str, list[BrokenRule]] = {numbers.suite: [] for numbers in measured}
    if filled:
        for item in find_broken_rules(filled):
            broken[item.suite].append(item)
    judged = {numbers.suite: _conclude(numbers, broken[numbers.suite]) for numbers in measured}
    if filled:
        layout = Layout.of(settings)
        names = {suite: {item.rule for item in items} for suite, items in broken.items()}
        save(layout, filled, names, datetime.now(UTC), month)
        counted = {numbers.suite: (numbers.keys, judged[numbers.suite].failed) for numbers in filled}
        record_verdicts(layout, counted, month)
    return judged


def _conclude(measured: Measurements, broken: list[BrokenRule]) -> Judgement:
    rules = {rule.name: rule for rule in measured.rules}
    failed: dict[str, list[FailedRule]] = {}
    warned: dict[str, list[FailedRule]] = {}
    for item in broken:
        rule = rules[item.rule]
        found = failed if rule.critical else warned
        found.setdefault(item.key, []).append(FailedRule(rule.name, item.observed, rule.meaning))
    keys = measured.keys
    return Judgement(
        suite=measured.suite,
        passed=tuple(key for key in keys if key not in failed),
        failed={key: tuple(failed[key]) for key in keys if key in failed},
        warnings={key: tuple(warned[key]) for key in keys if key in warned},
        checks=measured.values.size,
    )
