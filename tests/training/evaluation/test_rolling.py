"""Rolling statistics against pandas, hour by hour, and where there is no window."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.training.evaluation.curves import noise, times
from training.evaluation.rolling import SCHEMA, WINDOW, explain_no_window, roll

HOURS = WINDOW + 24 * 25 + 7


def stamps(count):
    return pl.Series(times(count), dtype=SCHEMA["time"])


def test_values_are_those_of_pandas_at_the_same_bar_close():
    own, coin = noise(HOURS), noise(HOURS, seed=9)
    found = roll(stamps(HOURS), own, coin)
    index = pd.DatetimeIndex(times(HOURS))
    returns, holding = pd.Series(own, index), pd.Series(coin, index)
    window = returns.rolling(WINDOW)
    at = found["time"].to_list()
    assert at[-1] == times(HOURS)[-1]
    assert len(at) == 26
    assert found["sharpe"].to_numpy() == pytest.approx((window.mean() / window.std() * 8760**0.5)[at].to_numpy())
    assert found["volatility"].to_numpy() == pytest.approx((window.std() * 8760**0.5)[at].to_numpy())
    beta = window.cov(holding) / holding.rolling(WINDOW).var()
    assert found["beta"].to_numpy() == pytest.approx(beta[at].to_numpy())


def test_a_value_knows_nothing_of_later_hours():
    own, coin = noise(HOURS), noise(HOURS, seed=9)
    before = roll(stamps(HOURS), own, coin)
    own[-24:], coin[-24:] = 0.5, -0.5
    assert roll(stamps(HOURS), own, coin)[:-1].equals(before[:-1])


def test_too_short_is_empty_and_says_why():
    found = roll(stamps(WINDOW - 1), noise(WINDOW - 1))
    assert found.is_empty()
    assert found.schema == SCHEMA
    assert explain_no_window(WINDOW - 24) == "a window has 30 days, and 29 are there"
    assert explain_no_window(WINDOW) is None


def test_windows_that_do_not_move_have_no_ratio():
    own = np.r_[np.zeros(WINDOW), noise(48)]
    found = roll(stamps(len(own)), own, np.zeros(len(own)))
    assert found["sharpe"].to_list()[0] is None
    assert found["sharpe"].to_list()[-1] is not None
    assert found["volatility"].to_list()[0] == 0.0
    assert found["beta"].null_count() == found.height


def test_without_a_coin_there_is_no_beta():
    found = roll(stamps(WINDOW), noise(WINDOW))
    assert found["beta"].to_list() == [None]


def test_losing_the_same_every_hour_has_no_ratio():
    found = roll(stamps(WINDOW), np.full(WINDOW, -0.001))
    assert found.row(0)[1:] == (None, 0.0, None)
