"""Runs of trials as they are made: what identifies what was tried, and the market that it was tried on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import EVENT_TIME
from pairity.books.families import BOOK_FAMILIES
from pairity.digest import digest_bytes
from pairity.settings import Settings, StrategySettings
from pairity.strategy.selection import REFERENCE_THRESHOLD
from training.backtest.comparison import choose_hold_asset
from training.models.families import FAMILIES
from training.models.thresholds import has_own_threshold
from training.trials.records import Run

Floats = NDArray[np.float64]
_OWN = "the model's own"
_NAMES = {"name", "family", "families"}
"""Settings of the section `model` that change no return."""
_SECTIONS = ("universe", "features", "label", "model", "strategy", "costs")


@dataclass(frozen=True, slots=True)
class Market:
    """What all runs of one backtest share: settings, closes of the reference asset, digest of the data."""

    settings: Settings
    closes: Mapping[int, float]
    data: str

    @classmethod
    def of(cls, settings: Settings, bars: pl.DataFrame, data: str) -> Market:
        """Return the market of the bars that a backtest traded (asset, event_timestamp, close)."""
        return cls(settings, sample_closes(bars, choose_hold_asset(settings.universe.traded)), data)

    def identify(self, family: str) -> str:
        """Return the line of a family that is traded as the settings say."""
        return identify_line(self.settings, family)

    def make_run(
        self, family: str, first: datetime, returns: Floats, changes: Mapping[str, object] | None = None
    ) -> Run:
        """Return the run of a family, with some settings of the strategy changed."""
        own = self.settings.strategy.model_dump(mode="json")
        if own["probability_min"] is None:
            own["probability_min"] = _name_threshold(self.settings, family)
        changed = ", ".join(f"{name} {value}" for name, value in (changes or {}).items() if value != own[name])
        return Run(
            line=identify_line(self.settings, family, changes),
            name=f"{family} with {changed}" if changed else family,
            data=self.data,
            first=first,
            returns=returns,
            closes=self.closes,
        )


def identify_line(settings: Settings, family: str, changes: Mapping[str, object] | None = None) -> str:
    """Return the digest of a family and of every setting that its returns depend on, `changes` of the strategy's made.

    A point of a grid that repeats the settings is the same line as the settings themselves. A book trades the names of
    `universe.assets`, whatever pairs are chosen besides.
    """
    values = {name: getattr(settings, name).model_dump(mode="json") for name in _SECTIONS}
    universe = settings.universe
    values["universe"] = {"least": universe.min_aligned_bars} | (
        # Not under the key of pairs: a record of before may say it of a book that traded other names.
        {"assets": universe.assets} if _is_book(family) else {"traded": universe.traded}
    )
    values["strategy"] |= dict(changes or {})
    if values["strategy"]["probability_min"] is None:
        values["strategy"]["probability_min"] = _name_threshold(settings, family)
    values["model"] = {name: value for name, value in values["model"].items() if name not in _NAMES}
    text = json.dumps({"family": family, **values}, sort_keys=True, default=str)
    return digest_bytes(_without_zero_fractions(text).encode())[:32]


def _name_threshold(settings: Settings, family: str) -> float | str:
    """Return what a family trades above where the settings name nothing: its models' own threshold, or 0.5."""
    known = FAMILIES.get(family)
    return _OWN if known is not None and has_own_threshold(known, settings) else REFERENCE_THRESHOLD


def _is_book(family: str) -> bool:
    """Return whether a trial is of a book: its name begins with that of a family of books (`name_trial`)."""
    return re.split("[ ,]", family, maxsplit=1)[0] in BOOK_FAMILIES


def find_changes(before: StrategySettings, after: StrategySettings) -> dict[str, object]:
    """Return the settings of a strategy that differ, with their later values."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return {name: value for name, value in new.items() if value != old[name]}


def sample_closes(bars: pl.DataFrame, asset: str) -> dict[int, float]:
    """Return the closes of `asset` at midnight UTC: day since 1970 → close."""
    rows = bars.filter((pl.col("asset") == asset) & (pl.col(EVENT_TIME).dt.hour() == 0)).drop_nulls("close")
    days = rows[EVENT_TIME].dt.epoch("d").to_list()
    return dict(zip(days, rows["close"].to_list(), strict=True))


def _without_zero_fractions(text: str) -> str:
    """Write whole numbers in one way: a grid's 1 and a setting's 1.0 are the same value."""
    return re.sub(r"(?<=\d)\.0(?=[,}\]])", "", text)
