"""All endpoints: the public ones, and those that must be signed."""

from __future__ import annotations

from paper_exchange.http.request import Routes
from paper_exchange.http.routes import account, algo, candle, flow, funding, position, quote, reference, trade

PUBLIC: Routes = {**reference.ROUTES, **candle.ROUTES, **quote.ROUTES, **funding.ROUTES, **flow.ROUTES}
PRIVATE: Routes = {**account.ROUTES, **position.ROUTES, **trade.ROUTES, **algo.ROUTES}
