"""What vectorbt makes of orders that the engine has filled: a second set of books, by code that shares nothing with it.

vectorbt takes one order per row and column, so an hour is up to two rows: its close, at which the bar's triggers have
hit, and the open of the next bar, which there is only where something was filled at it. Funding is not booked.
"""

from dataclasses import dataclass
from datetime import timedelta
from unittest import mock

import numpy as np

from pairity.strategy.types import ExitReason

HOUR = timedelta(hours=1)
CLOSE, OPEN = 0, 1
WITHIN_THE_BAR = {
    ExitReason.STOP_LOSS,
    ExitReason.TAKE_PROFIT,
    ExitReason.LIQUIDATION,
    ExitReason.OTHER_LEG,
    ExitReason.END,
}


@dataclass
class Orders:
    """Rows × (trials · assets), the assets of one trial side by side; size NaN: no order."""

    close: np.ndarray
    size: np.ndarray
    price: np.ndarray
    fees: np.ndarray
    trials: int
    initial: float
    hourly: np.ndarray
    """Rows that are closes of hours, in their order."""


def make_orders(results, history, terms):
    """The fills of trade logs over one history as orders."""
    assets = {asset: column for column, asset in enumerate(sorted(history.bars))}
    fills = [fill for trial, result in enumerate(results) for fill in _list_fills(result, trial, history, terms)]
    keys = sorted({(hour, CLOSE) for hour in history.hours} | {fill[0] for fill in fills})
    rows = {key: row for row, key in enumerate(keys)}
    shape = (len(keys), len(results) * len(assets))
    size, price, fees = (np.full(shape, np.nan) for _ in range(3))
    for key, trial, asset, amount, paid, fee in fills:
        cell = rows[key], trial * len(assets) + assets[asset]
        assert np.isnan(size[cell]), f"two orders in {asset} at {key}: vectorbt takes one"
        size[cell], price[cell], fees[cell] = amount, paid, fee
    close = np.tile(_list_marks(history, keys, assets), (1, len(results)))
    fees[np.isnan(fees)] = 0.0
    hourly = np.array([rows[hour, CLOSE] for hour in history.hours])
    return Orders(
        close=close, size=size, price=price, fees=fees, trials=len(results), initial=terms.initial_equity, hourly=hourly
    )


def simulate(orders):
    """Equity at each hour's close, hours × trials; an order that vectorbt cannot fill whole is an error."""
    assets = orders.size.shape[1] // orders.trials
    portfolio = import_vectorbt().Portfolio.from_orders(
        orders.close,
        size=orders.size,
        price=orders.price,
        fees=orders.fees,
        init_cash=orders.initial,
        cash_sharing=True,
        group_by=np.repeat(np.arange(orders.trials), assets),
        allow_partial=False,
        raise_reject=True,
        freq="1h",
    )
    return portfolio.value().to_numpy().reshape(len(orders.size), orders.trials)[orders.hourly]


def import_vectorbt():
    """The module. Its themes of plots name a kind of trace that plotly 7 has dropped: that part is left out."""
    from plotly.graph_objects import layout

    class Lenient(layout.Template):
        def __init__(self, arg=None, **options):
            super().__init__(arg, skip_invalid=True, **options)

    with mock.patch.object(layout, "Template", Lenient):
        import vectorbt
    return vectorbt


def _list_fills(result, trial, history, terms):
    """(row's key, trial, asset, signed size, price, fee rate) of each entry and exit."""
    taker = terms.taker_fee_bps * 1e-4
    entry = taker if terms.fill_model == "next_open_taker" else terms.maker_fee_bps * 1e-4
    for trade in result.trades.iter_rows(named=True):
        signed = trade["size_base"] * (1 if trade["side"] == "buy" else -1)
        yield (trade["opened_at"], OPEN), trial, trade["asset"], signed, trade["entry_price"], entry
        yield _find_exit_row(trade, history, terms), trial, trade["asset"], -signed, trade["exit_price"], taker


def _find_exit_row(trade, history, terms):
    """At a close, if the bar that ends there can have triggered it; a gap at the next open lies beyond that bar, which
    would have hit the level itself, unless it is the bar of a limit order's entry, in which targets do not count."""
    at = trade["closed_at"]
    first = trade["opened_at"] + HOUR if terms.fill_model == "limit_maker" else None
    waiting = trade["exit_reason"] == ExitReason.TAKE_PROFIT and at == first
    if trade["exit_reason"] in WITHIN_THE_BAR and trade["opened_at"] < at and not waiting:
        bar = history.bars[trade["asset"]].get(at)
        if trade["exit_reason"] == ExitReason.END or (bar and bar.low <= trade["exit_reference"] <= bar.high):
            return at, CLOSE
    return at, OPEN


def _list_marks(history, keys, assets):
    """Last known closes; before the first one, the first."""
    marks = np.empty((len(keys), len(assets)))
    for asset, column in assets.items():
        bars = history.bars[asset]
        last = next((bars[hour].close for hour in history.hours if hour in bars), np.nan)
        for row, (hour, when) in enumerate(keys):
            if when == CLOSE and hour in bars:
                last = bars[hour].close
            marks[row, column] = last
    return marks
