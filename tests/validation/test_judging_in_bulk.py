"""All suites of a stage in one validation: the verdict of plain comparisons, and of each suite judged rule by rule."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.layout import Layout
from pairity.settings import Settings
from validation.checkpoint import judge
from validation.expectations import evaluate
from validation.measurements import Measurements
from validation.results import load
from validation.rules import UNMEASURED
from validation.suites import SUITES
from validation.verdict_counts import count_verdicts

NAMES = ("candles_1m", "funding", "book_tops", "asset_hourly", "pair_hourly")
ODD = (1.0, 61.0, -1.0, 1e-300, None, math.nan, math.inf, -math.inf)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Settings(home=tmp_path_factory.mktemp("bulk"))


def sound(suite):
    """Return numbers that break no rule, by column."""
    rules = [rule for rule in SUITES[suite] if rule.column != UNMEASURED]
    return {rule.column: 1.0 if rule.upper is None else 0.0 for rule in rules}


@st.composite
def profiles(draw):
    """Return a profile per suite, most numbers sound; a number may be missing."""
    chosen = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    found = {}
    for suite in chosen:
        keys = [f"A{i}/2025-0{1 + i % 2}" for i in range(draw(st.integers(0, 4)))]
        numbers = {name: [value] * len(keys) for name, value in sound(suite).items()}
        if keys:
            changes = st.tuples(st.sampled_from(sorted(numbers)), st.integers(0, len(keys) - 1), st.sampled_from(ODD))
            for name, place, value in draw(st.lists(changes, max_size=6)):
                numbers[name][place] = value
        schema = {"key": pl.String} | dict.fromkeys(numbers, pl.Float64)
        found[suite] = pl.DataFrame({"key": keys, **numbers}, schema=schema)
    return found


def compare_one_by_one(suite, profile):
    """Return failed and warned rules per key by comparing one number after the other."""
    failed, warned = {}, {}
    for row in profile.iter_rows(named=True):
        numbers = {name: value for name, value in row.items() if name != "key"}
        missing = {name for name, value in numbers.items() if value is None or math.isnan(value)}
        numbers[UNMEASURED] = float(len(missing))
        for rule in SUITES[suite]:
            value = numbers[rule.column]
            if rule.column in missing:
                continue
            if (rule.upper is not None and value > rule.upper) or (rule.lower is not None and value < rule.lower):
                (failed if rule.critical else warned).setdefault(row["key"], []).append((rule.name, value))
    return failed, warned


def as_plain(broken):
    return {key: [(rule.rule, rule.observed) for rule in rules] for key, rules in broken.items()}


def test_verdicts_are_those_of_comparing_each_number(home):
    @settings(max_examples=40, deadline=None)
    @given(profiles())
    def check(drawn):
        verdicts = judge(home, drawn)
        assert list(verdicts) == list(drawn)
        for suite, profile in drawn.items():
            failed, warned = compare_one_by_one(suite, profile)
            verdict, keys = verdicts[suite], profile["key"].to_list()
            assert (as_plain(verdict.failed), as_plain(verdict.warnings)) == (failed, warned)
            assert list(verdict.failed) == [key for key in keys if key in failed]
            assert verdict.passed == tuple(key for key in keys if key not in failed)
            assert verdict.checks == len(SUITES[suite]) * len(keys)
            meanings = {rule.name: rule.meaning for rule in SUITES[suite]}
            assert all(rule.meaning == meanings[rule.rule] for rules in verdict.failed.values() for rule in rules)

    check()


def test_a_page_says_of_each_rule_what_the_verdict_said(home):
    @settings(max_examples=12, deadline=None)
    @given(profiles())
    def check(drawn):
        verdicts = judge(home, drawn)
        for suite, profile in drawn.items():
            if profile.is_empty():
                continue
            named = {}
            for item in evaluate(Measurements.of(suite, profile)).results:
                rule = item.expectation_config.meta["rule"]
                for row in item.result.get("unexpected_index_list") or ():
                    named.setdefault(row["key"], []).append(rule)
            verdict = verdicts[suite]
            both = {key: [*verdict.failed.get(key, ()), *verdict.warnings.get(key, ())] for key in profile["key"]}
            expected = {key: sorted(rule.rule for rule in rules) for key, rules in both.items() if rules}
            assert {key: sorted(rules) for key, rules in named.items()} == expected

    check()


def test_the_newest_verdict_on_each_partition_is_counted_by_month(tmp_path):
    home, layout = Settings(home=tmp_path), Layout(tmp_path)

    def profile(suite, **late):
        numbers = {name: [value] * len(late) for name, value in sound(suite).items()}
        return pl.DataFrame({"key": list(late), **numbers, "future_times": list(late.values())})

    raw = profile("funding", **{"BTC/2025-03": 0.0, "BTC/2025-04": 3.0, "ETH/2025-04/binance": 0.0})
    judge(home, {"funding": raw, "asset_hourly": profile("asset_hourly", BTC=1.0, ETH=0.0)}, month="2025-04")
    assert count_verdicts(layout) == {
        "funding": {"2025-03": (1, 0), "2025-04": (1, 1)},
        "asset_hourly": {"2025-04": (1, 1)},
    }
    judge(home, {"asset_hourly": profile("asset_hourly", BTC=0.0)}, month="2025-04")
    assert count_verdicts(layout)["asset_hourly"] == {"2025-04": (2, 0)}
    assert count_verdicts(layout)["funding"]["2025-04"] == (1, 1)


def test_nothing_to_judge_is_no_verdict_and_leaves_no_file(tmp_path):
    home = Settings(home=tmp_path)
    schema = {"key": pl.String} | dict.fromkeys(sound("funding"), pl.Float64)
    verdict = judge(home, {"funding": pl.DataFrame(schema=schema)})["funding"]
    assert (verdict.passed, verdict.failed, verdict.checks) == ((), {}, 0)
    assert judge(home, {}) == {}
    assert load(Layout(tmp_path)) == []
