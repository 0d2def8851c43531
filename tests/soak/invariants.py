"""What must be true after every cycle, once what befell the process is over: the venue's own books are the oracle."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from pairity.timeline import MINUTE, from_ms
from pairity.universe import inst_id
from serving.execution.venue_records import BillKind
from serving.journal import Purpose, TradingState
from serving.ledger import Finding, check_ledger
from serving.rivals.signs import is_sign
from tests.soak.life import Life
from tests.soak.market import T0
from tests.soak.venue import BALANCE, Venue

_EXACT = Decimal("1e-9")
"""Decimals of 28 digits round when they are added up."""
_OF_OTHERS = frozenset({Finding.FOREIGN})


def list_differences(venue: Venue, life: Life) -> dict[str, Decimal]:
    """Return the contracts by which the venue's positions are not those of the journal, by instrument."""
    sizes: Counter[str] = Counter()
    for position in venue.account.positions.values():
        sizes[position.inst_id] += position.size  # type: ignore[assignment]
    for record in life.journal.open_positions():
        for leg in record.position.legs:
            sizes[inst_id(leg.asset)] -= leg.side.sign * leg.contracts  # type: ignore[assignment]
    return {name: Decimal(size) for name, size in sizes.items() if size}


def is_well(life: Life) -> bool:
    """Return whether the process trades, every contract with it, and knows what everything earned."""
    suspended = any("does not trade" in reason for reason in life.status.blocked.values())
    lacking = life.journal.positions_without_result(from_ms(T0))
    return life.supervisor.state is TradingState.TRADING and not suspended and not lacking


def check_orders(venue: Venue, life: Life) -> list[str]:
    """Return what is wrong with orders: sent twice, larger than meant, or left behind."""
    wrong = []
    # Signs of life are no orders of the journal: none of them is ever executed
    owned = [order for order in venue.account.orders.values() if life.journal.owns(order.client_id)]
    wrong += [f"sign {order.client_id} was executed" for order in owned if is_sign(order.client_id) and order.filled]
    named = [order for order in owned if not is_sign(order.client_id)]
    counts = Counter(order.client_id for order in named if order.filled)
    wrong += [f"order {name} was executed {count} times" for name, count in counts.items() if count > 1]
    filled: Counter[tuple[str, int]] = Counter()
    meant: dict[tuple[str, int], Decimal] = {}
    for order in named:
        intent = life.journal.intent(order.client_id)
        if intent is None:
            wrong.append(f"order {order.client_id} is not in the journal")
        elif intent.purpose is Purpose.ENTRY:
            filled[intent.position_id, intent.leg] += order.filled  # type: ignore[assignment]
            first = life.journal.intents(intent.position_id, intent.leg, Purpose.ENTRY)[0]
            meant[intent.position_id, intent.leg] = first.contracts
    wrong += [f"{leg} got {size} contracts of {meant[leg]}" for leg, size in filled.items() if size > meant[leg]]
    wrong += [f"order {order.client_id} rests" for order in venue.account.pending() if order in named]
    held = {position.inst_id for position in venue.account.positions.values()}
    wrong += [
        f"stop {algo.client_id} of {algo.inst_id} is left behind"
        for algo in venue.account.live_algos()
        if algo.inst_id not in held and life.journal.owns(algo.client_id)
    ]
    return wrong


def check_state(life: Life, *, differs: bool) -> list[str]:
    """Return what is wrong with the state: everything is over, so the process trades."""
    wrong = []
    if life.supervisor.state is not TradingState.TRADING:
        wrong.append(f"it is still {life.supervisor.state}: {life.supervisor.explain_refusal()}")
    if life.status.blocked and not differs:
        wrong.append(f"blocked: {life.status.blocked}")
    doubtful = [intent for intent in life.journal.unsettled() if intent.purpose is not Purpose.PROTECT]
    wrong += [f"order {intent.client_order_id} is still {intent.state}" for intent in doubtful]
    return wrong


async def check_money(venue: Venue, life: Life, *, alone: bool) -> list[str]:
    """Return what is wrong with the money; `alone`: nobody else traded, so that journal and cash agree as a whole."""
    account, wrong = venue.account, []
    # Beyond now: reading takes time, and funding that is settled meanwhile is in the equity below.
    bills = await life.port.bills(from_ms(T0), life.clock.now() + MINUTE)
    traded = sum((bill.pnl + bill.fee for bill in bills if bill.kind is not BillKind.FUNDING), Decimal(0))
    funding = sum((bill.pnl for bill in bills if bill.kind is BillKind.FUNDING), Decimal(0))
    unrealised = sum((p.unrealized(account.mark(p.inst_id)) for p in account.positions.values()), Decimal(0))
    if abs(BALANCE + traded + funding + unrealised - account.equity()) > _EXACT:
        wrong.append(f"{BALANCE} + {traded} + {funding} + {unrealised} is not {account.equity()}")
    report = await check_ledger(life.port, life.journal, from_ms(T0))
    wrong += [
        f"{item.finding}: {item.name} {item.instrument} at {item.at:%H:%M:%S}: here {item.here!r}, there {item.there!r}"
        for item in report.differences
        if item.finding not in _OF_OTHERS or alone
        if alone or item.finding not in (Finding.FUNDING, Finding.UNKNOWN)
    ]
    if alone and not life.journal.open_positions():
        nets = [record.close.net_usdt for record in life.journal.closed_positions() if record.close]
        known = [net for net in nets if net is not None]
        if len(known) == len(nets) and abs(sum(known, Decimal(0)) - account.ledger.cash + BALANCE) > _EXACT:
            wrong.append(f"the journal earned {sum(known, Decimal(0))}, the account {account.ledger.cash - BALANCE}")
    return wrong
