"""A made-up market, reproducible from its seed; `synthetic_assets` has its assets, `synthetic_paths` how it moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pairity.errors import UnknownNameError
from pairity.universe import inst_id
from paper_exchange.market.bar_arrays import (
    BarArrays,
    BarSlice,
    Floats,
    Instants,
    join_bar_arrays,
    make_bar_arrays,
    round_values,
)
from paper_exchange.market.market import Bar, Funding, Instrument, PriceKind
from paper_exchange.market.specifications import specify_instrument
from paper_exchange.market.synthetic_assets import MODELS, make_models
from paper_exchange.market.synthetic_paths import MINUTES, Day, draw_first_state, draw_next_day

MINUTE_MS = 60_000
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
FUNDING_MS = 8 * HOUR_MS
HISTORY_DAYS = 90
FUTURE_DAYS = 90


class _Table(NamedTuple):
    days: int
    bars: BarArrays


class SyntheticMarket:
    """One-minute bars from `HISTORY_DAYS` before the day of `start_ms` to `FUTURE_DAYS` after it.

    Days are made in order, all assets at once, when they are first needed, and kept. Another number of assets or
    another first day is another market.
    """

    def __init__(
        self,
        seed: int,
        start_ms: int,
        *,
        history_days: int = HISTORY_DAYS,
        future_days: int = FUTURE_DAYS,
        assets: int = len(MODELS),
    ) -> None:
        self.label = f"synthetic (seed {seed})"
        self._models = make_models(assets)
        self._first_day = start_ms // DAY_MS - history_days
        self.start_ms = self._first_day * DAY_MS
        self.end_ms = (start_ms // DAY_MS + future_days) * DAY_MS
        self.instruments: Mapping[str, Instrument] = {
            inst_id(m.name): specify_instrument(m.name, price=m.price, list_ms=self.start_ms) for m in self._models
        }
        self._asset = {inst_id(m.name): row for row, m in enumerate(self._models)}
        self._seed = seed
        self._state = self._first_state = draw_first_state(seed, self._models)
        self._days: list[Day] = []
        self._tables: dict[tuple[str, PriceKind], _Table] = {}

    def bar_ms(self, inst_id: str) -> int:
        """Return one minute in milliseconds."""
        self._find_row(inst_id)
        return MINUTE_MS

    def bars(self, inst_id: str, since_ms: int, until_ms: int, kind: PriceKind = "last") -> Sequence[Bar]:
        """Return minutes with since_ms <= open_ms < until_ms, ascending; a few are missing."""
        return BarSlice(self._read_table(inst_id, kind, until_ms - 1).between(since_ms, until_ms))

    def bar_at(self, inst_id: str, at_ms: int, kind: PriceKind = "last") -> Bar | None:
        """Return the minute that contains `at_ms`, or the newest before a hole or the end; None before the first."""
        return self._read_table(inst_id, kind, at_ms).newest_at(at_ms)

    def funding(self, inst_id: str, since_ms: int, until_ms: int) -> Sequence[Funding]:
        """Return settlements at 00, 08 and 16 UTC with since_ms <= settle_ms < until_ms; none at the market's start."""
        row = self._find_row(inst_id)
        self._make_days_until(until_ms - 1)
        first = max(since_ms, self.start_ms + 1)
        times = range(-(-first // FUNDING_MS) * FUNDING_MS, min(until_ms, self.end_ms), FUNDING_MS)
        return [Funding(at_ms, self._read_funding_rate(row, at_ms)) for at_ms in times]

    def open_interest(self, inst_id: str, at_ms: int) -> float | None:
        """Return base units as of the hour's start: a mean-reverting multiple of 60% of daily volume."""
        row = self._find_row(inst_id)
        at_ms = min(at_ms, self.end_ms - 1)
        if at_ms < self.start_ms:
            return None
        self._make_days_until(at_ms)
        day, in_day_ms = divmod(at_ms - self.start_ms, DAY_MS)
        model = self._models[row]
        factor = float(self._days[day].open_interest[in_day_ms // HOUR_MS, row])
        return round(0.6 * model.turnover_usdt / model.price * factor, 4)

    def _read_funding_rate(self, row: int, at_ms: int) -> float:
        day, in_day_ms = divmod(at_ms - self.start_ms, DAY_MS)
        return float(self._days[day].funding[in_day_ms // FUNDING_MS, row])

    def _find_row(self, inst_id: str) -> int:
        if inst_id not in self._asset:
            raise UnknownNameError("instrument", inst_id, self._asset)
        return self._asset[inst_id]

    def _make_days_until(self, at_ms: int) -> None:
        """Make all days up to the one that contains `at_ms`, within the market's span."""
        wanted = (min(at_ms, self.end_ms - 1) - self.start_ms) // DAY_MS + 1
        while len(self._days) < wanted:
            day, self._state = draw_next_day(self._seed, self._first_day + len(self._days), self._state, self._models)
            self._days.append(day)

    def _read_table(self, inst_id: str, kind: PriceKind, at_ms: int) -> BarArrays:
        """Return bars of all days made so far, at least to the day of `at_ms`; only new days are built."""
        row = self._find_row(inst_id)
        self._make_days_until(at_ms)
        table = self._tables.get((inst_id, kind), _Table(0, _make_no_bars()))
        if table.days < len(self._days):
            new = (
                self._make_bars(self.instruments[inst_id], row, kind, day) for day in range(table.days, len(self._days))
            )
            table = _Table(len(self._days), join_bar_arrays([table.bars, *new]))
            self._tables[inst_id, kind] = table
        return table.bars

    def _make_bars(self, instrument: Instrument, row: int, kind: PriceKind, day: int) -> BarArrays:
        """Return one asset's bars of one day: on ticks, in lots, without the minutes that are missing."""
        paths = self._days[day]
        open_ms = self.start_ms + day * DAY_MS + MINUTE_MS * np.arange(MINUTES, dtype=np.int64)
        decimals = -int(instrument.tick_sz.as_tuple().exponent)
        if kind == "last":
            before = self._days[day - 1].log_last[-1] if day else self._first_state.log_last
            table = _make_traded_bars(instrument, paths, row, float(before[row]), open_ms)
        else:
            name = "log_mark" if kind == "mark" else "log_index"
            before = getattr(self._days[day - 1], name)[-1] if day else getattr(self._first_state, name)
            table = _make_reference_bars(
                paths, getattr(paths, name)[:, row], row, float(before[row]), open_ms=open_ms, decimals=decimals + 1
            )
        return table.rows(paths.observed[:, row])


def _make_traded_bars(instrument: Instrument, paths: Day, row: int, log_before: float, open_ms: Instants) -> BarArrays:
    """Return traded bars: each opens at the close before it, give or take a tick."""
    tick, decimals = float(instrument.tick_sz), -int(instrument.tick_sz.as_tuple().exponent)
    close = round_values(np.exp(paths.log_last[:, row]), decimals)
    before = np.r_[np.exp(log_before), close[:-1]]
    open_ = round_values(np.maximum(before + tick * paths.open_noise_ticks[:, row], tick), decimals)
    high = round_values(np.exp(paths.log_high[:, row]), decimals)
    low = round_values(np.exp(paths.log_low[:, row]), decimals)
    # Rounding to ticks may have left open or close outside of the extremes.
    high, low = np.maximum(high, np.maximum(open_, close)), np.minimum(low, np.minimum(open_, close))
    lot = float(instrument.lot_sz * instrument.ct_val)
    volume = round_values(np.maximum(np.round(paths.turnover_usdt[:, row] / close / lot), 1.0) * lot, 8)
    return make_bar_arrays(open_ms, (open_, high, np.maximum(low, tick), close), volume)


def _make_reference_bars(
    paths: Day, path: Floats, row: int, log_before: float, *, open_ms: Instants, decimals: int
) -> BarArrays:
    """Return mark or index bars: their own `path`, with the traded price's excursions within the minute."""
    shift = path - paths.log_last[:, row]
    start = np.r_[log_before, path[:-1]]
    high = np.maximum(paths.log_high[:, row] + shift, np.maximum(start, path))
    low = np.minimum(paths.log_low[:, row] + shift, np.minimum(start, path))
    prices = (
        round_values(np.exp(start), decimals),
        round_values(np.exp(high), decimals),
        round_values(np.exp(low), decimals),
        round_values(np.exp(path), decimals),
    )
    return make_bar_arrays(open_ms, prices, np.zeros(len(path)))


def _make_no_bars() -> BarArrays:
    nothing = np.empty(0)
    return make_bar_arrays(np.empty(0, dtype=np.int64), (nothing, nothing, nothing, nothing), nothing)
