"""Contract specifications for markets that do not bring their own.

The majors carry OKX's contract values, ticks and lots as they were around 2025 (OKX changes lots and ticks now and
then); all others get a contract worth 30 to 300 USDT by the rule in `specify_instrument`. The bands of BTC and ETH are
those that OKX published in 2026; other majors have ETH's.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NamedTuple

from pairity.universe import ContractSpec, exact, inst_id
from paper_exchange.market.market import Band, Instrument
from paper_exchange.market.position_tiers import make_tiers

MAX_LIMIT_SZ = Decimal(100_000_000)
MAX_MARKET_SZ = Decimal(35_000)


class _Major(NamedTuple):
    ct_val: str
    lot_sz: str
    tick_sz: str
    max_leverage: int
    maintenance_rate: str


_MAJORS = {
    "BTC": _Major("0.01", "0.01", "0.1", 100, "0.004"),
    "ETH": _Major("0.1", "0.01", "0.01", 100, "0.004"),
    "SOL": _Major("1", "0.01", "0.01", 50, "0.0065"),
    "XRP": _Major("100", "0.01", "0.0001", 50, "0.0065"),
    "BNB": _Major("0.01", "1", "0.1", 50, "0.0065"),
    "DOGE": _Major("1000", "0.01", "0.00001", 50, "0.0065"),
    "ADA": _Major("100", "0.1", "0.0001", 50, "0.0065"),
    "AVAX": _Major("1", "0.1", "0.001", 50, "0.0065"),
    "LINK": _Major("1", "0.1", "0.001", 50, "0.0065"),
    "DOT": _Major("1", "0.1", "0.001", 50, "0.0065"),
    "TON": _Major("1", "0.1", "0.001", 50, "0.0065"),
    "TRX": _Major("1000", "0.01", "0.00001", 50, "0.0065"),
    "LTC": _Major("1", "0.1", "0.01", 50, "0.0065"),
    "BCH": _Major("0.1", "0.1", "0.1", 50, "0.0065"),
}
_MAX_MARKET_SZ = {"ETH": Decimal(90_000)}
_NARROW = Band(initial=Decimal("0.02"), floating=Decimal("0.005"), most=Decimal("0.01"))
_USUAL = Band(initial=Decimal("0.02"), floating=Decimal("0.01"), most=Decimal("0.02"))
_WIDE = Band(initial=Decimal("0.05"), floating=Decimal("0.02"), most=Decimal("0.05"))
_OTHER_LEVERAGE = 20
_OTHER_MAINTENANCE = "0.01"


def specify_instrument(
    asset: str, *, price: float, list_ms: int, decimals: int | None = None, given: ContractSpec | None = None
) -> Instrument:
    """Return the specification of the USDT swap on `asset` (short name).

    `price` is typical of the data and scales unknown contracts: ct_val is the power of ten nearest to 100 USDT of
    coin, the tick five significant digits. `decimals` are those of the recorded prices: the tick is never coarser,
    so that every recorded price lies on it. A contract that is `given` stands as it is; margins and bands are those
    of the asset all the same.
    """
    major = _MAJORS.get(asset)
    if major is None:
        ct_val = Decimal(1).scaleb(round(math.log10(100 / price)))
        tick = Decimal(1).scaleb(math.floor(math.log10(price)) - 4)
        lot, leverage, maintenance = Decimal("0.1"), _OTHER_LEVERAGE, _OTHER_MAINTENANCE
    else:
        ct_val, lot, tick = Decimal(major.ct_val), Decimal(major.lot_sz), Decimal(major.tick_sz)
        leverage, maintenance = major.max_leverage, major.maintenance_rate
    band = _WIDE if major is None else _NARROW if asset == "BTC" else _USUAL
    if decimals is not None:
        tick = min(tick, Decimal(1).scaleb(-decimals))
    if given is not None:
        ct_val, lot, tick, leverage = given.ct_val, given.lot_sz, given.tick_sz, int(given.max_leverage)
    largest = None if given is None else given.max_market_sz
    return Instrument(
        inst_id=inst_id(asset),
        ct_val=ct_val,
        lot_sz=lot,
        min_sz=lot if given is None else given.min_sz,
        tick_sz=tick,
        max_leverage=Decimal(leverage),
        max_limit_sz=MAX_LIMIT_SZ,
        max_market_sz=_MAX_MARKET_SZ.get(asset, MAX_MARKET_SZ) if largest is None else largest,
        max_stop_sz=None if given is None else given.max_stop_sz,
        list_ms=list_ms,
        maintenance_rate=Decimal(maintenance),
        tiers=make_tiers(leverage=leverage, maintenance=Decimal(maintenance), contract_usdt=ct_val * exact(price)),
        band=band,
    )
