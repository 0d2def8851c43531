"""The judge: which partitions of a profile may be used, and which rule stops the others.

The verdict is Great Expectations' own, partition by partition; it takes moments. Each one is kept for the Data Docs,
which are built on request (`build_docs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from pairity.errors import DataError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import SystemClock
from validation.data_docs import build_docs
from validation.expectations import evaluate, rule_of
from validation.results import save
from validation.rules import UNMEASURED, FailedRule, Rule
from validation.suites import rules_of
from validation.verdict_counts import count

__all__ = ["FailedRule", "Judgement", "about", "build_docs", "judge"]


SHOWN = 6
"""Entities named in a run's name."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a profile: which partitions may be used, and which must not, with the rules that they broke."""

    suite: str
    passed: tuple[str, ...]
    failed: Mapping[str, tuple[FailedRule, ...]]
    warnings: Mapping[str, tuple[FailedRule, ...]]
    checks: int


def judge(settings: Settings, suite: str, profile: pl.DataFrame, *, month: str = "") -> Judgement:
    """Judge every row of `profile` by the rules of `suite`; keys without a month of their own are of `month`.

    A number that is null or NaN has not been measured and fails as `unmeasured`. DataError if the profile lacks a
    column that a rule needs, has a key twice or none, or if Great Expectations could not evaluate a rule.
    """
    rules = rules_of(suite)
    numbers = _numbers(suite, rules, profile)
    result = evaluate(suite, numbers)
    save(Layout.of(settings), suite, result.to_json_dict(), SystemClock().now(), about(profile["key"], month))
    by_name = {rule.name: rule for rule in rules}
    failed: dict[str, list[FailedRule]] = {}
    warned: dict[str, list[FailedRule]] = {}
    for item in result.results:
        if not item.success:
            rule = by_name[rule_of(item)]
            for key, broken in _offenders(rule, item):
                (failed if rule.critical else warned).setdefault(key, []).append(broken)
    keys = profile["key"].to_list()
    count(Layout.of(settings), suite, keys, failed, month)
    return Judgement(
        suite=suite,
        passed=tuple(key for key in keys if key not in failed),
        failed={key: tuple(failed[key]) for key in keys if key in failed},
        warnings={key: tuple(warned[key]) for key in keys if key in warned},
        checks=len(rules) * len(keys),
    )


def about(keys: pl.Series, month: str = "") -> str:
    """What was judged, as the name of a run: how many partitions, which, of which months.

    >>> about(pl.Series(["BTC/2025-03", "ETH/2025-04"]))
    'BTC, ETH of 2025-03 … 2025-04'
    """
    entities = list(dict.fromkeys(key.partition("/")[0] for key in keys))
    months = sorted({(key.split("/")[1:2] or [month])[0] for key in keys} - {""})
    told = (
        ", ".join(entities)
        if len(entities) <= SHOWN
        else f"{', '.join(entities[:SHOWN])} and {len(entities) - SHOWN} more"
    )
    if not months:
        return told
    return f"{told} of {months[0]}" + (f" … {months[-1]}" if len(months) > 1 else "")


def _numbers(suite: str, rules: tuple[Rule, ...], profile: pl.DataFrame) -> pl.DataFrame:
    """What the rules look at: `key`, one float64 column per rule, and how many of those numbers are not there."""
    columns = [rule.column for rule in rules if rule.column != UNMEASURED]
    lacking = sorted({"key", *columns} - set(profile.columns))
    if lacking:
        raise DataError(
            f"the profile for suite {suite} lacks {', '.join(lacking)}", "profile it with validation.profiles"
        )
    if profile["key"].null_count() or profile["key"].is_duplicated().any():
        found = profile.filter(pl.col("key").is_null() | pl.col("key").is_duplicated())["key"].to_list()
        raise DataError(f"partitions of a profile for suite {suite} cannot be told apart: {found[:4]}")
    numbers = profile.select("key", *(pl.col(name).cast(pl.Float64) for name in dict.fromkeys(columns)))
    absent = pl.sum_horizontal(
        (pl.col(name).is_null() | pl.col(name).is_nan()).cast(pl.Float64) for name in numbers.columns if name != "key"
    )
    return numbers.with_columns(absent.alias(UNMEASURED))


def _offenders(rule: Rule, item: Any) -> list[tuple[str, FailedRule]]:  # noqa: ANN401 - of Great Expectations
    """The partitions that Great Expectations names behind a failed expectation."""
    named = item.result.get("unexpected_index_list")
    if not named:
        told = (item.exception_info or {}).get("exception_message") or f"result {item.result}"
        raise DataError(f"rule {rule.name} failed, but Great Expectations names no partition: {told}")
    return [(row["key"], FailedRule(rule.name, float(row[rule.column]), rule.meaning)) for row in named]
