"""How a client reaches the paper exchange of a test: its keys, and no waiting for rate limits."""

from __future__ import annotations

from typing import Any

from pairity.settings import ExchangeSettings

KEYS = {"api_key": "paper", "api_secret": "paper", "api_passphrase": "paper"}


def exchange_at(url: str, **changes: Any) -> ExchangeSettings:
    """Return the settings of a client of the exchange at `url`; `changes` go before what stands here."""
    return ExchangeSettings(**{"url": url, "rate_limit": False, **KEYS, **changes})
