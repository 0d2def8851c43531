"""Price paths: a market history as arrays, and the prices at which each leg would be entered and protected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pairity.settings import CostSettings, StrategySettings
from pairity.strategy.stops import REFERENCE_ASSET, choose_stop_rule, compute_fractions, compute_stop_prices
from pairity.strategy.types import AssetView, Side
from pairity.timeline import HOUR, ceil_to
from pairity.universe import exact
from training.backtest.fills import apply_slippage
from training.backtest.records import MarketHistory

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SIDES = (Side.SELL, Side.BUY)
"""Second axis of `PricePaths.compute_levels`."""


class PricePaths:
    """A market history as arrays of asset × hour (bar closes), assets in the order of `assets`.

    `bars`: × (open, high, low, close), NaN where there is no bar. `rates`: sum of the funding rates settled in (hour −
    1h, hour]. `closes`: the close as it was known at the decision after the hour, NaN where it was not known. `funded`:
    whether a settled funding rate was known at that decision.
    """

    def __init__(self, history: MarketHistory, assets: Sequence[str]) -> None:
        self.history, self.assets = history, tuple(assets)
        self.index = {asset: number for number, asset in enumerate(self.assets)}
        self._place = {hour: number for number, hour in enumerate(history.hours)}
        shape = (len(self.assets), len(history.hours))
        self.bars, self.rates = np.full((*shape, 4), np.nan), np.zeros(shape)
        self.closes, self.funded = np.full(shape, np.nan), np.zeros(shape, dtype=np.bool_)
        for number, asset in enumerate(self.assets):
            self._add_outcomes(number, asset)
        for hour, views in history.views.items():
            self._add_known(self._place[hour], views.values())

    @property
    def has_bar(self) -> Bools:
        """Whether there is a bar, asset × hour."""
        return ~np.isnan(self.bars[:, :, 0])

    def _add_outcomes(self, number: int, asset: str) -> None:
        for hour, bar in self.history.bars.get(asset, {}).items():
            self.bars[number, self._place[hour]] = bar
        for settlement in self.history.settlements.get(asset, ()):
            place = self._place.get(ceil_to(settlement.time, HOUR))
            if place is not None:
                self.rates[number, place] += settlement.rate

    def _add_known(self, place: int, views: Iterable[AssetView]) -> None:
        for view in views:
            number = self.index.get(view.asset)
            if number is not None:
                self.closes[number, place] = np.nan if view.close is None else view.close
                self.funded[number, place] = view.funding_rate is not None

    def compute_levels(self, wanted: Bools, strategy: StrategySettings, costs: CostSettings) -> Floats:
        """Return asset × side (`SIDES`) × hour of decision × (entry price, stop, target); NaN where not `wanted`.

        A leg is entered as a taker at the open of the next bar. The core's rule protects it: from what was known of the
        asset at the decision, recomputed from the fill, rounded to the tick where the contract is known.
        """
        levels = np.full((*wanted.shape, 3), np.nan)
        for number, side_number, place in np.argwhere(wanted):
            views = self.history.views.get(self.history.hours[place], {})
            view = views.get(self.assets[number])
            if view is None or place + 1 >= wanted.shape[2] or np.isnan(self.bars[number, place + 1, 0]):
                continue
            side = SIDES[side_number]
            entry = apply_slippage(float(self.bars[number, place + 1, 0]), side.sign, costs.slippage_bps)
            levels[number, side_number, place] = (
                entry,
                *_find_stop_and_target(view, views.get(REFERENCE_ASSET), side, entry, strategy),
            )
        return levels


def _find_stop_and_target(
    view: AssetView, reference: AssetView | None, side: Side, entry: float, strategy: StrategySettings
) -> tuple[float, float]:
    rule = choose_stop_rule(view, reference, strategy)
    if view.spec is not None:
        prices = compute_stop_prices(rule, side, exact(entry), view.spec)
        return float(prices.stop), float(prices.target)
    stop, target = compute_fractions(rule, entry)
    return entry * (1.0 - side.sign * stop), entry * (1.0 + side.sign * target)
