"""Limits of risk: what is measured before an entry, and what follows where it is beyond its limit."""

from serving.limits.account_limits import check_account
from serving.limits.drift import Drift
from serving.limits.entry_limits import check_entry
from serving.limits.limiter import Limiter
from serving.limits.records import AccountMeasures, AssetMeasures, Breach, Consequence

__all__ = [
    "AccountMeasures",
    "AssetMeasures",
    "Breach",
    "Consequence",
    "Drift",
    "Limiter",
    "check_account",
    "check_entry",
]
