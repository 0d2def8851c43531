"""All signed endpoints."""

from __future__ import annotations

from serving.paper_exchange import account_routes, algo_routes, trade_routes
from serving.paper_exchange.call import Routes

ROUTES: Routes = {**account_routes.ROUTES, **trade_routes.ROUTES, **algo_routes.ROUTES}
