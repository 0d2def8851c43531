"""The checkpoint that data passes before it is used: which partitions may be, and which rule stops the others.

A checkpoint, in Great Expectations' words, runs a suite on a batch and acts on the result. Here the batch is a profile
(one row per partition), the verdict is Great Expectations' own, and the action is to store it for the Data Docs, which
are built on request (`build_docs`), and to count it for the overview page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from pairity.errors import DataError
from pairity.layout import Layout
from pairity.settings import Settings
from validation.data_docs import build_docs
from validation.expectations import evaluate, read_rule_name
from validation.results import save
from validation.rules import UNMEASURED, FailedRule, Rule
from validation.suites import find_rules
from validation.verdict_counts import record_verdicts

__all__ = ["FailedRule", "Judgement", "build_docs", "describe_partitions", "judge"]


SHOWN = 6
"""Most entities in a run's name; the rest is a number."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Verdict on a profile: which partitions may be used, and which must not be, with the rules that they broke."""

    suite: str
    passed: tuple[str, ...]
    failed: Mapping[str, tuple[FailedRule, ...]]
    warnings: Mapping[str, tuple[FailedRule, ...]]
    checks: int


def judge(settings: Settings, suite: str, profile: pl.DataFrame, *, month: str = "") -> Judgement:
    """Judge every row of `profile` by the rules of `suite`, and store the verdict.

    `profile`: `key` and the columns that the rules look at, one row per partition; a key without a month belongs to
    `month`. A number that is null or NaN has not been measured and fails as `unmeasured`. DataError if the profile
    lacks a column that a rule needs, has a key twice or a null key, or if Great Expectations cannot evaluate a rule.
    """
    rules = find_rules(suite)
    numbers = _select_numbers(suite, rules, profile)
    result = evaluate(suite, numbers)
    save(
        Layout.of(settings),
        suite,
        result.to_json_dict(),
        datetime.now(UTC),
        describe_partitions(profile["key"], month),
    )
    by_name = {rule.name: rule for rule in rules}
    failed: dict[str, list[FailedRule]] = {}
    warned: dict[str, list[FailedRule]] = {}
    for item in result.results:
        if not item.success:
            rule = by_name[read_rule_name(item)]
            for key, broken in _read_offenders(rule, item):
                (failed if rule.critical else warned).setdefault(key, []).append(broken)
    keys = profile["key"].to_list()
    record_verdicts(Layout.of(settings), suite, keys, failed, month)
    return Judgement(
        suite=suite,
        passed=tuple(key for key in keys if key not in failed),
        failed={key: tuple(failed[key]) for key in keys if key in failed},
        warnings={key: tuple(warned[key]) for key in keys if key in warned},
        checks=len(rules) * len(keys),
    )


def describe_partitions(keys: pl.Series, month: str = "") -> str:
    """Describe what was judged, as the name of a run: the entities of the partitions and their months.

    >>> about(pl.Series(["BTC/2025-03", "ETH/2025-04"]))
    'BTC, ETH of 2025-03 … 2025-04'
    """
    entities = list(dict.fromkeys(key.partition("/")[0] for key in keys))
    months = sorted({(key.split("/")[1:2] or [month])[0] for key in keys} - {""})
    named = (
        ", ".join(entities)
        if len(entities) <= SHOWN
        else f"{', '.join(entities[:SHOWN])} and {len(entities) - SHOWN} more"
    )
    if not months:
        return named
    return f"{named} of {months[0]}" + (f" … {months[-1]}" if len(months) > 1 else "")


def _select_numbers(suite: str, rules: tuple[Rule, ...], profile: pl.DataFrame) -> pl.DataFrame:
    """Return what the rules look at: `key`, one float64 column per rule, and how many of the numbers are missing."""
    columns = [rule.column for rule in rules if rule.column != UNMEASURED]
    lacking = sorted({"key", *columns} - set(profile.columns))
    if lacking:
        raise DataError(
            f"the profile for suite {suite} lacks {', '.join(lacking)}", "profile it with validation.profiles"
        )
    if profile["key"].null_count() or profile["key"].is_duplicated().any():
        ambiguous = profile.filter(pl.col("key").is_null() | pl.col("key").is_duplicated())["key"].to_list()
        raise DataError(f"partitions of a profile for suite {suite} cannot be told apart: {ambiguous[:4]}")
    numbers = profile.select("key", *(pl.col(name).cast(pl.Float64) for name in dict.fromkeys(columns)))
    absent = pl.sum_horizontal(
        (pl.col(name).is_null() | pl.col(name).is_nan()).cast(pl.Float64) for name in numbers.columns if name != "key"
    )
    return numbers.with_columns(absent.alias(UNMEASURED))


def _read_offenders(rule: Rule, item: Any) -> list[tuple[str, FailedRule]]:  # noqa: ANN401 - of Great Expectations
    """Return the partitions that Great Expectations names behind a failed expectation, with the observed number."""
    named = item.result.get("unexpected_index_list")
    if not named:
        message = (item.exception_info or {}).get("exception_message") or f"result {item.result}"
        raise DataError(f"rule {rule.name} failed, but Great Expectations names no partition: {message}")
    return [(row["key"], FailedRule(rule.name, float(row[rule.column]), rule.meaning)) for row in named]
