"""The panel behind the risk factors with its daily scores, continued hour by hour.

Scores of a day are estimated once, at its midnight, from the days before it. What a later hour needs of the past are a
few days of minutes, the buckets of those days, and when everything before them was known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.transforms.risk_factors import (
    Panel,
    assign_buckets,
    build_panel,
    ceil_to_midnight,
    compute_scores,
    fill_panel,
    floor_to_midnight,
)
from pairity.settings import FeatureSettings
from pairity.timeline import DAY, MINUTE

Floats = NDArray[np.float64]
_RECENT = 3 * DAY
"""Days whose minutes a score (eligibility, momentum) or an exposure reaches back to, besides `risk_days`."""


@dataclass(frozen=True)
class RiskPanel:
    """Minutes of all assets up to a full hour; `scores` and `buckets` are days × kinds × assets of its days.

    `known_before` is when the last minute before the panel was known (µs since 1970; 0 without one).
    """

    panel: Panel
    scores: Floats
    buckets: Floats
    known_before: int = 0

    @property
    def end(self) -> datetime:
        """The instant up to which minutes are part of it."""
        return self.panel.start + len(self.panel.returns) * MINUTE

    def extended(
        self, minutes: pl.DataFrame, end: datetime, settings: FeatureSettings, dead: pl.DataFrame | None = None
    ) -> RiskPanel | None:
        """Return it continued to `end` with the minutes since its end; None where they bring an asset that it lacks.

        `dead`: minutes of dead contracts (`dead.find_dead_minutes`); None without any.
        """
        if not set(minutes["asset"].unique()) <= set(self.panel.assets):
            return None
        panel = _joined(self.panel, fill_panel(minutes, self.end, end, self.panel.assets, dead))
        return _scored(panel, settings, self)

    def since(self, day: datetime) -> RiskPanel:
        """Return the part from midnight `day` on; all of it where it begins later."""
        number = max(0, (day - self.panel.start) // DAY)
        if number == 0:
            return self
        cut = number * (DAY // MINUTE)
        known = max(self.known_before, int(self.panel.known[:cut].max()))
        return RiskPanel(
            _sliced(self.panel, cut, None), self.scores[number:], self.buckets[number:], known_before=known
        )

    def until(self, instant: datetime) -> RiskPanel | None:
        """Return it as it was at a full hour; None where not even a day of it is left."""
        length = (instant - self.panel.start) // MINUTE
        if length < DAY // MINUTE:
            return None
        panel = _sliced(self.panel, 0, length)
        return replace(self, panel=panel, scores=self.scores[: panel.days], buckets=self.buckets[: panel.days])

    def recent(self, settings: FeatureSettings, slack: timedelta) -> RiskPanel:
        """Return what hours from its end − `slack` on can need."""
        return self.since(floor_to_midnight(self.end - slack) - settings.risk_days * DAY - _RECENT)


def build_risk_panel(
    minutes: pl.DataFrame,
    start: datetime,
    end: datetime,
    settings: FeatureSettings,
    dead: pl.DataFrame | None = None,
) -> RiskPanel | None:
    """Return the panel of `minutes` (rows of `candles_1m`) from the first whole day after `start`; None without any.

    Another chunk would score a first half day from the whole day. `end` is a full hour: it is over whether or not its
    last minutes have bars. `dead`: minutes of dead contracts (`dead.find_dead_minutes`); None without any.
    """
    panel = build_panel(minutes.filter(pl.col("open_time") >= ceil_to_midnight(start)), dead)
    if panel is None:
        return None
    missing = (end - panel.start) // MINUTE - len(panel.returns)
    if missing > 0:
        nothing = fill_panel(minutes.clear(), end - missing * MINUTE, end, panel.assets, dead)
        panel = _joined(panel, nothing)
    return _scored(panel, settings, None)


def _scored(panel: Panel, settings: FeatureSettings, before: RiskPanel | None) -> RiskPanel:
    if before is None:
        scores = compute_scores(panel, settings)
        return RiskPanel(panel, scores, assign_buckets(scores))
    known = before.panel.days
    if panel.days == known:
        return replace(before, panel=panel)
    later = compute_scores(panel, settings, known)[known:]
    return RiskPanel(
        panel,
        np.concatenate([before.scores, later]),
        np.concatenate([before.buckets, assign_buckets(later)]),
        before.known_before,
    )


def _joined(panel: Panel, later: Panel) -> Panel:
    return replace(
        panel,
        returns=np.concatenate([panel.returns, later.returns]),
        trades=np.concatenate([panel.trades, later.trades]),
        volumes=np.concatenate([panel.volumes, later.volumes]),
        known=np.concatenate([panel.known, later.known]),
        dead=np.concatenate([panel.dead, later.dead]),
    )


def _sliced(panel: Panel, first: int, end: int | None) -> Panel:
    return replace(
        panel,
        start=panel.start + first * MINUTE,
        returns=panel.returns[first:end],
        trades=panel.trades[first:end],
        volumes=panel.volumes[first:end],
        known=panel.known[first:end],
        dead=panel.dead[first:end],
    )
