"""Measurements: the numbers of a profile that the rules of its suite judge, and how far each lies inside its limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pairity.errors import DataError
from validation.rules import UNMEASURED, Rule
from validation.suites import find_rules


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Numbers of the partitions of one suite: `values` has one line per rule and one column per partition (`keys`).

    NaN is a number that could not be measured; the rule `unmeasured` judges how many of them a partition has.
    """

    suite: str
    rules: tuple[Rule, ...]
    keys: tuple[str, ...]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, suite: str, profile: pl.DataFrame) -> Measurements:
        """Return what the rules of `suite` look at in `profile` (`key` and their columns, one row per partition).

        DataError if the profile lacks a column that a rule needs, has a key twice or a null key.
        """
        rules = find_rules(suite)
        columns = list(dict.fromkeys(rule.column for rule in rules if rule.column != UNMEASURED))
        lacking = sorted({"key", *columns} - set(profile.columns))
        if lacking:
            raise DataError(
                f"the profile for suite {suite} lacks {', '.join(lacking)}", "profile it with validation.profiles"
            )
        keys = profile["key"].to_list()
        if None in keys or len(set(keys)) != len(keys):
            ambiguous = [key for key in keys if key is None or keys.count(key) > 1]
            raise DataError(f"partitions of a profile for suite {suite} cannot be told apart: {ambiguous[:4]}")
        numbers = profile.select(pl.col(columns).cast(pl.Float64).fill_null(float("nan"))).to_numpy().T
        by_column = dict(zip(columns, numbers, strict=True)) | {UNMEASURED: np.isnan(numbers).sum(axis=0)}
        values = np.array([by_column[rule.column] for rule in rules], dtype=np.float64)
        return cls(suite, rules, tuple(keys), values)

    def compute_margins(self) -> NDArray[np.float64]:
        """Return per rule and partition how far the number lies inside its limit: below zero where it broke the rule.

        A rule has one limit. The sign is exact: the difference of two different floats is never zero.
        """
        falls = np.array([rule.upper is None for rule in self.rules])
        limits = np.array([rule.lower if rule.upper is None else rule.upper for rule in self.rules], dtype=np.float64)
        beyond = self.values - limits[:, None]
        return np.where(falls[:, None], beyond, -beyond)

    def to_frame(self) -> pl.DataFrame:
        """Return the numbers as a frame: `key`, and one column per column that the rules look at."""
        columns = {rule.column: line for rule, line in zip(self.rules, self.values, strict=True)}
        return pl.DataFrame({"key": self.keys, **columns})


def split_key(key: str, month: str = "") -> tuple[str, str]:
    """Return entity and month of a partition: `ASSET/2025-04`, with a venue behind it or not, or an entity of `month`.

    >>> split_key("BTC/2025-04/binance"), split_key("XRP-ADA", "2025-04")
    (('BTC', '2025-04'), ('XRP-ADA', '2025-04'))
    """
    entity, _, rest = key.partition("/")
    return entity, rest.partition("/")[0] or month
