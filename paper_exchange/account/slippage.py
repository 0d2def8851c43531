"""How far the price runs on between the trigger of a stop and its fill, on an unkind market.

A stop whose bar went on beyond its trigger fills somewhere on that way: the further along, the larger its order is
beside what the bar traded; and the faster the bar, the longer the way. The part that no bar says is drawn from the
seed, the instrument and the bar, so that it does not depend on who asks when.
"""

from __future__ import annotations

import zlib
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from pairity.universe import exact
from paper_exchange.account.account import Account
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.ledger import ZERO
from paper_exchange.account.triggers import Hit, is_met_from_below
from paper_exchange.market.market import Bar
from paper_exchange.market.prices import round_to_tick

_LEAST, _SPREAD = 10, 31
"""A stop of no size slips by 10 to 40% of the way."""


def slip(account: Account, algo: AlgoOrder, hit: Hit, bar: Bar, contracts: Decimal) -> Decimal:
    """Return the last price around which the order of a triggered algo order trades, on a tick inside the bar.

    The way leads to the bar's extreme on the side that hurts the order; for a trigger that is met on the other side
    (a target), to the bar's close if that hurts.
    """
    hurts_up = algo.side == "buy"
    if is_met_from_below(algo, hit.leg) == hurts_up:
        end = exact(bar.high if hurts_up else bar.low)
    else:
        end = max(exact(bar.close), hit.price) if hurts_up else min(exact(bar.close), hit.price)
    price = hit.price + (end - hit.price) * compute_share(account, algo.inst_id, bar, contracts)
    tick = account.market.instruments[algo.inst_id].tick_sz
    # Against the order, but never beyond what the bar traded.
    rounded = round_to_tick(price, tick, ROUND_CEILING if hurts_up else ROUND_FLOOR)
    return min(rounded, max(end, hit.price)) if hurts_up else max(rounded, min(end, hit.price))


def compute_share(account: Account, inst_id: str, bar: Bar, contracts: Decimal) -> Decimal:
    """Return the part of the way that an order of so many contracts slips: 0.1 to 1."""
    draw = zlib.crc32(f"{account.seed} slip {inst_id} {bar.open_ms}".encode()) % _SPREAD
    traded = account.market.instruments[inst_id].count_contracts(exact(bar.volume))
    crowding = contracts / traded if traded > ZERO else Decimal(1)
    return min(Decimal(_LEAST + draw) / 100 + crowding, Decimal(1))
