"""All signed endpoints."""

from __future__ import annotations

from paper_exchange.http.request import Routes
from paper_exchange.http.routes import account as account_routes
from paper_exchange.http.routes import algo as algo_routes
from paper_exchange.http.routes import trade as trade_routes

ROUTES: Routes = {**account_routes.ROUTES, **trade_routes.ROUTES, **algo_routes.ROUTES}
