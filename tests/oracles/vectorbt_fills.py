"""What vectorbt makes of the fills of a book: a second set of books, by code that shares nothing with the engine.

vectorbt takes one order per row and column: an hour is its open, where something was filled at it, and its close. Two
fills of a name at one open (a change of side) are one order at their mean price. Funding is not booked.
"""

from __future__ import annotations

import numpy as np

from tests.oracles.vectorbt_books import import_vectorbt


def make_rows(panel, fills, first):
    """Return close, size, price and fee rate, rows × names, and the rows that are closes of hours."""
    hours = range(first, panel.hours)
    opened = set(fills.filter(fills["at_open"])["hour"].to_list())
    keys = [(hour, at_open) for hour in hours for at_open in (True, False) if not at_open or hour in opened]
    row = {key: place for place, key in enumerate(keys)}
    column = {name: place for place, name in enumerate(panel.names)}
    shape = (len(keys), len(panel.names))
    size, paid, fee = (np.zeros(shape) for _ in range(3))
    for hour, at_open, name, amount, price, charged, _ in fills.iter_rows():
        cell = row[hour, at_open], column[name]
        size[cell] += amount
        paid[cell] += amount * price
        fee[cell] += charged
    traded = size != 0
    price = np.where(traded, paid / np.where(traded, size, 1.0), np.nan)
    rate = np.where(traded, fee / np.where(traded, np.abs(paid), 1.0), 0.0)
    closes = np.empty(shape)
    last = np.full(len(panel.names), np.nan)
    for place, (hour, at_open) in enumerate(keys):
        if not at_open:
            last = np.where(np.isnan(panel.closes[hour]), last, panel.closes[hour])
        closes[place] = last
    # A name that has no bar yet is worth anything: nothing is held of it.
    closes = np.where(np.isnan(closes), 1.0, closes)
    hourly = np.array([place for place, (_, at_open) in enumerate(keys) if not at_open])
    return closes, np.where(traded, size, np.nan), price, rate, hourly


def simulate_fills(closes, size, price, rate, hourly, capital):
    """Return the equity at each hour's close; an order that vectorbt cannot fill whole is an error."""
    portfolio = import_vectorbt().Portfolio.from_orders(
        closes,
        size=size,
        price=price,
        fees=rate,
        init_cash=capital,
        cash_sharing=True,
        group_by=np.zeros(closes.shape[1], dtype=int),
        call_seq="auto",
        allow_partial=False,
        raise_reject=True,
        freq="1h",
    )
    return portfolio.value().to_numpy().reshape(-1)[hourly]
