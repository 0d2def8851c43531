"""All endpoints: the public ones, and those that must be signed."""

from __future__ import annotations

from paper_exchange.http.request import Routes
from paper_exchange.http.routes import (
    account,
    algo,
    candle,
    capacity,
    flow,
    funding,
    index,
    orders,
    position,
    quote,
    reference,
    sentiment,
    trade,
)

PUBLIC: Routes = {
    **reference.ROUTES,
    **candle.ROUTES,
    **quote.ROUTES,
    **index.ROUTES,
    **funding.ROUTES,
    **flow.ROUTES,
    **sentiment.ROUTES,
}
PRIVATE: Routes = {
    **account.ROUTES,
    **capacity.ROUTES,
    **position.ROUTES,
    **trade.ROUTES,
    **orders.ROUTES,
    **algo.ROUTES,
}
