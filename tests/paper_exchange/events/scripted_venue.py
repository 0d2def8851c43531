"""An exchange on a flat market whose script plays what happens."""

from contextlib import contextmanager
from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.events.schedule import Schedule
from paper_exchange.events.script import parse_event
from paper_exchange.events.scripted_market import ScriptedMarket
from paper_exchange.faults.catalogue import FaultPlan
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.handmade_market import BTC, ETH, T0, HandmadeMarket, flat

HOUR_MS = 3_600_000
FUNDING = {BTC: [(T0 + hour * HOUR_MS, 0.0008) for hour in (0, 8, 16)]}


@contextmanager
def venue(*script, paths=None, **options):
    played = HandmadeMarket(paths or {BTC: flat(100, 1500), ETH: flat(50, 1500)}, fundings=FUNDING)
    market, clock, faults = ScriptedMarket(played), VirtualClock("stepped", T0), FaultPlan()
    events = [parse_event(row, market, T0) for row in script]
    schedule = Schedule(events, market, faults)
    account = Account(market, clock, Decimal(10_000), **options)
    with serving(market, clock, account=account, faults=faults, schedule=schedule) as url:
        yield url, account
