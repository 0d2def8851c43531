"""What time brings to an account: bars that close, new prices, funding, and the dead man's switch.

`settle_until` walks the finest bars of every instrument that has a position, an order or an algo order, in time order.
When a bar closes, its high and low take effect on stops and resting orders. Funding that is due at the same instant is
settled after that, on the mark price. Margin is looked at after each event.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from pairity.universe import exact
from paper_exchange.account import liquidation, matching, triggers
from paper_exchange.account.account import Account
from paper_exchange.account.ledger import FUNDING
from paper_exchange.account.position_bills import book_earned
from paper_exchange.account.positions import Position
from paper_exchange.market.market import Bar

# Kinds of events in the order in which they happen at one instant.
_BAR_CLOSE, _NEW_PRICE, _FUNDING, _CANCEL_ALL = 0, 1, 2, 3


def settle_until(account: Account, now_ms: int) -> None:
    """Let everything happen that the time up to and including `now_ms` brings; a second call changes nothing."""
    if now_ms <= account.now_ms:
        return
    since = account.now_ms
    # The key leaves the payload out: a bar and None do not compare.
    for at_ms, kind, subject, payload in sorted(_list_events(account, since, now_ms), key=lambda event: event[:3]):
        account.now_ms = at_ms
        if kind == _BAR_CLOSE:
            assert isinstance(payload, Bar)
            _close_bar(account, subject, payload)
        elif kind == _FUNDING:
            assert isinstance(payload, float)
            _settle_funding(account, subject, payload)
        elif kind == _CANCEL_ALL:
            _cancel_all(account, subject)
        liquidation.liquidate_at_marks(account)
    account.now_ms = now_ms


def _list_events(account: Account, since: int, until: int) -> Iterator[tuple[int, int, str, Bar | float | None]]:
    """Yield (instant, kind, instrument or tag, payload) of what happens in (since, until].

    The instruments are fixed at the beginning: only a request makes another one active, and requests settle first.
    """
    market = account.market
    active = {
        *(position.inst_id for position in account.positions.values()),
        *(order.inst_id for order in account.pending()),
        *(algo.inst_id for algo in account.live_algos()),
    }
    for inst_id in active:
        step = market.bar_ms(inst_id)
        known_until = since
        for bar in market.bars(inst_id, since - step + 1, until + 1):
            if bar.open_ms > known_until:  # after a hole no close brings the new price
                yield bar.open_ms, _NEW_PRICE, inst_id, None
            known_until = bar.open_ms + step
            if known_until <= until:
                yield known_until, _BAR_CLOSE, inst_id, bar
        for settlement in market.funding(inst_id, since + 1, until + 1):
            yield settlement.settle_ms, _FUNDING, inst_id, settlement.rate
    for tag, at_ms in account.cancel_all_at.items():
        if since < at_ms <= until:
            yield at_ms, _CANCEL_ALL, tag, None


def _close_bar(account: Account, inst_id: str, bar: Bar) -> None:
    """Let a closed bar take effect. Of stop and liquidation, the price meets the nearer one first."""
    if any(_is_liquidated_first(account, p) for p in account.positions.values() if p.inst_id == inst_id):
        liquidation.liquidate_in_bar(account, inst_id, bar.open_ms)
    matching.apply_bar(account, inst_id, bar)
    # Once more: what stops left over, or the bar's own fills opened, its extreme can still liquidate.
    liquidation.liquidate_in_bar(account, inst_id, bar.open_ms)


def _is_liquidated_first(account: Account, position: Position) -> bool:
    """Whether an adverse move meets the liquidation price of a position before its stop."""
    stop, level = triggers.find_nearest_stop(account, position), liquidation.find_liquidation_price(account, position)
    return level is not None and (stop is None or (stop - level) * position.size < 0)


def _settle_funding(account: Account, inst_id: str, rate: float) -> None:
    for position in [p for p in account.positions.values() if p.inst_id == inst_id]:
        _pay_funding(account, position, exact(rate))


def _pay_funding(account: Account, position: Position, rate: Decimal) -> None:
    """Book −size·ct_val·mark·rate: longs pay a positive rate (docs/okx-protocol.md, Settlement).

    An isolated position pays out of its own margin (docs/okx-protocol.md, Funding bills).
    """
    mark = account.mark(position.inst_id)
    payment = -position.size * position.ct_val * mark * rate
    position.funding += payment
    position.updated_ms = account.now_ms
    sub_kind = "174" if payment > 0 else "173"
    size = abs(position.size)
    book_earned(account, position, payment, kind=FUNDING, sub_kind=sub_kind, size=size, price=mark)


def _cancel_all(account: Account, tag: str) -> None:
    """Cancel the resting orders of a tag ("" is all): its timer of cancel-all-after has run out."""
    del account.cancel_all_at[tag]
    for order in account.pending():
        if tag in ("", order.tag):
            account.cancel(order, "20")
