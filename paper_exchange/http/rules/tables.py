"""The rules of all endpoints, applied to requests and to the elements of a batch."""

from __future__ import annotations

from collections.abc import Mapping

from paper_exchange.http.rules.checks import Rules
from paper_exchange.http.rules.elements import ELEMENT_RULES
from paper_exchange.http.rules.private import PRIVATE_RULES
from paper_exchange.http.rules.public import PUBLIC_RULES
from paper_exchange.market.market import Market
from paper_exchange.params import Params

REQUEST_RULES: Mapping[tuple[str, str], Rules] = {**PUBLIC_RULES, **PRIVATE_RULES}
_NONE = Rules()


def check_request(route: tuple[str, str], params: Params, market: Market) -> None:
    """Refuse a request that lacks a parameter or has an impossible one; WireError refuses the whole of it."""
    REQUEST_RULES.get(route, _NONE).check(params, market)


def check_element(route: tuple[str, str], params: Params, market: Market) -> None:
    """Refuse one element of a request in the same way; WireError, which the caller turns into its `sCode`."""
    ELEMENT_RULES.get(route, _NONE).check(params, market)
