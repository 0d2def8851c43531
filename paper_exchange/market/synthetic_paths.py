"""Movement of the synthetic market: one day of latent minute paths for all assets at once.

    ln index_i(t) = level_i + β_i·M(t) + γ_i·S_g(t) + R_i(t)        M market, S_g sector: random walks
    ln last_i(t)  = ln index_i(t) + premium_i(t) + micro noise       premium: mean-reverting
    ln mark_i(t)  = ln index_i(t) + premium_i(t)

Within a sector, *anchored* assets share β and γ, and their R is an Ornstein–Uhlenbeck process (half-life 10 to 36
hours): their price ratios are stationary. The R of all others is a random walk. Volatilities are stochastic
(mean-reverting logarithms, one common and one per asset), follow the time of day, and jump now and then; volume
follows volatility. Innovations of a day come from a Philox generator keyed by (seed, day), states are carried from day
to day: the same seed and first day give the same market, whatever is read in whatever order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from paper_exchange.market.bar_arrays import Floats, round_values
from paper_exchange.market.synthetic_assets import AssetModel

MINUTES = 1_440
FUNDING_MINUTES = 480


_SECTOR_DAILY = np.array([0.006, 0.016, 0.010])
_MARKET_DAILY = 0.026
_COMMON_VOL, _COMMON_VOL_HALF_LIFE_H = 0.35, 18.0
_OWN_VOL, _OWN_VOL_HALF_LIFE_H = 0.20, 6.0
_PREMIUM, _PREMIUM_MEAN, _PREMIUM_HALF_LIFE_H = 0.00025, 0.00004, 10.0
_MICRO_NOISE = 0.00003
_MARKET_JUMPS_PER_DAY, _MARKET_JUMP = 0.5, 0.004
_OWN_JUMPS_PER_DAY, _OWN_JUMP = 0.3, 0.005
_INTEREST_SD, _INTEREST_HALF_LIFE_H = 0.2, 72.0
_GAP_CHANCE, _GAP_MINUTES = 0.12, 5
_FUNDING_CAP = 0.0075


@dataclass(frozen=True, slots=True)
class State:
    """Where the paths stand at midnight; arrays over assets (sectors for `sector`)."""

    market: float
    sector: Floats
    residual: Floats
    common_vol: float
    own_vol: Floats
    premium: Floats
    interest: Floats
    log_last: Floats
    log_index: Floats
    log_mark: Floats
    premium_tail: Floats
    """Mean premium over the last eight hours, which the settlement at midnight is computed from."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day of paths; arrays are minutes × assets unless said otherwise."""

    log_last: Floats
    log_index: Floats
    log_mark: Floats
    log_high: Floats
    log_low: Floats
    open_noise_ticks: Floats
    turnover_usdt: Floats
    observed: np.ndarray
    """False in the minutes that are missing."""
    funding: Floats
    """Settlements at 00, 08 and 16 hours × assets."""
    open_interest: Floats
    """Hours × assets, as a multiple of its long-run mean; known from the hour's start on."""


def draw_first_state(seed: int, models: Sequence[AssetModel]) -> State:
    """Return the state at the market's first midnight; what is stationary is drawn from its stationary distribution."""
    draw = _make_generator(seed, (1 << 63) - 1)  # a key that no day has
    assets = len(models)
    anchored = np.array([m.residual if m.half_life_h else 0.0 for m in models])
    residual = anchored * draw.standard_normal(assets)
    level = np.log([m.price for m in models]) + residual
    premium = _PREMIUM_MEAN + _PREMIUM * draw.standard_normal(assets)
    return State(
        market=0.0,
        sector=np.zeros(len(_SECTOR_DAILY)),
        residual=residual,
        common_vol=_COMMON_VOL * float(draw.standard_normal()),
        own_vol=_OWN_VOL * draw.standard_normal(assets),
        premium=premium,
        interest=_INTEREST_SD * draw.standard_normal(assets),
        log_last=level + premium,
        log_index=level,
        log_mark=level + premium,
        premium_tail=premium,
    )


def draw_next_day(seed: int, day: int, state: State, models: Sequence[AssetModel]) -> tuple[Day, State]:
    """Return the paths of calendar day `day` (days since the epoch) and the state at its end."""
    # The order of the draws below is part of the market: another order is another history for the same seed.
    draw = _make_generator(seed, day)
    assets = len(models)
    shape = (MINUTES, assets)
    common = _make_mean_reverting(
        np.array([state.common_vol]),
        draw.standard_normal((MINUTES, 1)),
        np.array([_COMMON_VOL]),
        np.array([_COMMON_VOL_HALF_LIFE_H]),
    )
    own = _make_mean_reverting(
        state.own_vol,
        draw.standard_normal(shape),
        np.full(assets, _OWN_VOL),
        np.full(assets, _OWN_VOL_HALF_LIFE_H),
    )
    hour = np.arange(MINUTES)[:, None] / 60
    season = 1 + 0.3 * np.sin(2 * np.pi * (hour - 9) / 24)
    common_scale = season * np.exp(common - _COMMON_VOL**2 / 2)
    own_scale = common_scale * np.exp(own - _OWN_VOL**2 / 2)

    market_steps = _MARKET_DAILY / math.sqrt(MINUTES) * common_scale * draw.standard_normal((MINUTES, 1))
    market_steps += _draw_jumps(draw, (MINUTES, 1), _MARKET_JUMPS_PER_DAY, _MARKET_JUMP)
    market = state.market + np.cumsum(market_steps, axis=0)
    sector_steps = _SECTOR_DAILY / math.sqrt(MINUTES) * common_scale
    sector = state.sector + np.cumsum(sector_steps * draw.standard_normal((MINUTES, len(_SECTOR_DAILY))), axis=0)
    residual = _make_residuals(state.residual, draw, own_scale, models)
    premium = _PREMIUM_MEAN + _make_mean_reverting(
        state.premium - _PREMIUM_MEAN,
        draw.standard_normal(shape),
        np.full(assets, _PREMIUM),
        np.full(assets, _PREMIUM_HALF_LIFE_H),
    )

    beta = np.array([m.beta for m in models])
    log_index = np.log([m.price for m in models]) + beta * market + sector[:, [m.sector for m in models]] + residual
    log_mark = log_index + premium
    log_last = log_mark + _MICRO_NOISE * draw.standard_normal(shape)
    minute_sd = own_scale * _compute_minute_sd(beta, models)
    log_high, log_low = _draw_extremes(draw, np.vstack([state.log_last, log_last]), minute_sd)
    interest = _make_mean_reverting(
        state.interest,
        draw.standard_normal((24, assets)),
        np.full(assets, _INTEREST_SD),
        np.full(assets, _INTEREST_HALF_LIFE_H),
        minutes=60,
    )
    moves = np.abs(np.diff(np.vstack([state.log_last, log_last]), axis=0)) / minute_sd
    turnover = np.array([m.turnover_usdt for m in models]) / MINUTES * own_scale**1.3
    turnover = turnover * (0.6 + 0.5 * moves) * np.exp(0.5 * draw.standard_normal(shape) - 0.125)
    opening_noise = draw.choice([-1.0, 0.0, 0.0, 0.0, 1.0], size=shape)
    observed = _draw_observed(draw, shape)
    tails = premium.reshape(3, FUNDING_MINUTES, assets).mean(axis=1)
    funding = np.vstack([state.premium_tail, tails[:2]])
    day_paths = Day(
        log_last=log_last,
        log_index=log_index,
        log_mark=log_mark,
        log_high=log_high,
        log_low=log_low,
        open_noise_ticks=opening_noise,
        turnover_usdt=turnover,
        observed=observed,
        funding=round_values(np.clip(0.00002 + 0.8 * funding, -_FUNDING_CAP, _FUNDING_CAP), 10),
        open_interest=np.exp(np.vstack([state.interest, interest[:-1]]) - _INTEREST_SD**2 / 2),
    )
    end = replace(
        state,
        market=float(market[-1, 0]),
        sector=sector[-1],
        residual=residual[-1],
        common_vol=float(common[-1, 0]),
        own_vol=own[-1],
        premium=premium[-1],
        interest=interest[-1],
        log_last=log_last[-1],
        log_index=log_index[-1],
        log_mark=log_mark[-1],
        premium_tail=tails[-1],
    )
    return day_paths, end


def _make_generator(seed: int, day: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed, day], dtype=np.uint64)))


def _make_mean_reverting(
    start: Floats, innovations: Floats, deviation: Floats, half_life_h: Floats, minutes: int = 1
) -> Floats:
    """Return Ornstein–Uhlenbeck paths around 0 from `start`, steps of `minutes`, with stationary standard `deviation`.

    x_t = φ·x_{t−1} + e_t, unrolled as φ^t·(x_0 + Σ e_s φ^{−s}); φ^{−1440} stays below 2^6 for half-lives from 4 h.
    """
    decay = 2.0 ** (-minutes / (60 * half_life_h))
    weights = decay ** np.arange(1, len(innovations) + 1)[:, None]
    scaled = innovations * (deviation * np.sqrt(1 - decay**2))
    paths: Floats = weights * (start + np.cumsum(scaled / weights, axis=0))
    return paths


def _make_residuals(start: Floats, draw: np.random.Generator, scale: Floats, models: Sequence[AssetModel]) -> Floats:
    shape = (MINUTES, len(models))
    noise = scale * draw.standard_normal(shape)
    jumps = _draw_jumps(draw, shape, _OWN_JUMPS_PER_DAY, _OWN_JUMP)
    half_life_h = np.array([m.half_life_h or math.inf for m in models])
    anchored = np.isfinite(half_life_h)
    deviation = np.array([m.residual for m in models])
    paths = np.empty(shape)
    decay = 2.0 ** (-1 / (60 * half_life_h[anchored]))
    in_units = jumps[:, anchored] / (deviation[anchored] * np.sqrt(1 - decay**2))
    paths[:, anchored] = _make_mean_reverting(
        start[anchored], noise[:, anchored] + in_units, deviation[anchored], half_life_h[anchored]
    )
    walks = deviation[~anchored] / math.sqrt(MINUTES) * noise[:, ~anchored] + jumps[:, ~anchored]
    paths[:, ~anchored] = start[~anchored] + np.cumsum(walks, axis=0)
    return paths


def _compute_minute_sd(beta: Floats, models: Sequence[AssetModel]) -> Floats:
    """Return the standard deviation of a minute's return at average volatility, one per asset."""
    own = np.array(
        [
            m.residual * math.sqrt(1 - 2.0 ** (-2 / (60 * m.half_life_h)))
            if m.half_life_h
            else m.residual / math.sqrt(MINUTES)
            for m in models
        ]
    )
    sector = _SECTOR_DAILY[[m.sector for m in models]]
    deviation: Floats = np.sqrt(((beta * _MARKET_DAILY) ** 2 + sector**2) / MINUTES + own**2)
    return deviation


def _draw_jumps(draw: np.random.Generator, shape: tuple[int, int], per_day: float, size: float) -> Floats:
    jumps: Floats = np.where(draw.random(shape) < per_day / MINUTES, size * draw.standard_normal(shape), 0.0)
    return jumps


def _draw_extremes(draw: np.random.Generator, path: Floats, minute_sd: Floats) -> tuple[Floats, Floats]:
    """Return high and low of a Brownian bridge over each minute: m = (a + b ± √((b − a)² − 2σ²·ln u))/2."""
    a, b = path[:-1], path[1:]
    # In (0, 1]: the logarithm of 0 would be an infinite extreme.
    uniform = 1 - draw.random((2, *a.shape))
    reach = np.sqrt((b - a) ** 2 - 2 * minute_sd**2 * np.log(uniform))
    return (a + b + reach[0]) / 2, (a + b - reach[1]) / 2


def _draw_observed(draw: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return False where minutes are missing: now and then one to five in a row of a day, per asset."""
    minutes = np.arange(shape[0])[:, None]
    start = draw.integers(0, shape[0], shape[1])
    length = np.where(draw.random(shape[1]) < _GAP_CHANCE, draw.integers(1, _GAP_MINUTES + 1, shape[1]), 0)
    return ~((minutes >= start) & (minutes < start + length))
