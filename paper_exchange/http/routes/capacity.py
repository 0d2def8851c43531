"""Private endpoints of what the account can still do (docs/okx-protocol.md, Capacity and risk)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from paper_exchange.account.account import Account, name_leverage
from paper_exchange.account.ledger import MARGIN, ZERO
from paper_exchange.account.matching import can_carry
from paper_exchange.account.orders import Order, Side
from paper_exchange.account.placing import read_pos_side
from paper_exchange.account.position_bills import book_on_position
from paper_exchange.account.positions import MarginMode, Position, PositionSide, name_holding
from paper_exchange.http.lookup import find_instrument, is_other_type, require_account
from paper_exchange.http.request import Request, Routes
from paper_exchange.http.routes.reference import show_instruments
from paper_exchange.market.market import Instrument
from paper_exchange.market.prices import price_band
from paper_exchange.params import Params
from paper_exchange.wire import Json, WireError, bad_parameter, format_number


def show_largest_orders(request: Request) -> list[Json]:
    """Answer GET account/max-size: the contracts of the largest order that margin admits, per side.

    Without `px`, at the price limit of the side; with several instruments `px` is ignored. The limits of a single
    order (`maxLmtSz`, `maxMktSz`) are not part of it.
    """
    params, account = request.params, require_account(request)
    margin_mode = _read_margin_mode(params)
    names = params.required("instId").split(",")
    price = params.number("px") if len(names) == 1 else None
    rows: list[Json] = []
    for name in names:
        instrument = find_instrument(request, name)
        with _leverage(account, instrument, margin_mode, params.number("leverage")):
            highest, lowest = _read_limits(request, instrument)
            most_bought = _find_largest(account, instrument, "buy", price or highest, margin_mode)
            most_sold = _find_largest(account, instrument, "sell", price or lowest, margin_mode)
        rows.append(
            {
                "ccy": "USDT",
                "instId": name,
                "maxBuy": format_number(most_bought),
                "maxSell": format_number(most_sold),
            }
        )
    return rows


def show_available(request: Request) -> list[Json]:
    """Answer GET account/max-avail-size: the equity that is free for margin, the same for both sides and modes."""
    params, account = request.params, require_account(request)
    _read_margin_mode(params)
    free = format_number(account.available())
    return [
        {"instId": find_instrument(request, name).inst_id, "availBuy": free, "availSell": free}
        for name in params.required("instId").split(",")
    ]


def change_margin(request: Request) -> list[Json]:
    """Answer POST account/position/margin-balance: move cash into an isolated position, or out of it.

    59303 for more than is free, 59301 for taking what the position needs at its leverage.
    """
    params, account = request.params, require_account(request)
    instrument, side = find_instrument(request, params.required("instId")), read_pos_side(account, params)
    position = account.positions.get(name_holding(instrument.inst_id, "isolated", side))
    if position is None:
        raise WireError("59300", "Margin call failed. Position does not exist.")
    amount = params.number("amt") or ZERO
    if params.choice("type", ("add", "reduce")) == "add":
        if amount > account.available():
            raise WireError("59303", "Insufficient available margin, add margin or reduce the borrowing amount")
        _move_margin(account, position, amount, "160")
    else:
        needed = position.notional(account.mark(position.inst_id)) / account.lever_of(position)
        if position.margin - amount < needed:
            raise WireError("59301", "Margin adjustment failed for exceeding the max limit.")
        _move_margin(account, position, -amount, "161")
    actual = position.notional(account.mark(position.inst_id)) / position.margin
    return [
        {
            "amt": format_number(amount),
            "ccy": "USDT",
            "instId": position.inst_id,
            "leverage": format_number(round(actual, 4)),
            "posSide": side,
            "type": params.text("type"),
        }
    ]


def show_risk_state(request: Request) -> list[Json]:
    """Answer GET account/risk-state; the states that it names exist under portfolio margin alone."""
    return [{"atRisk": False, "atRiskIdx": [], "atRiskMgn": [], "ts": str(request.now_ms)}]


def show_risk(request: Request) -> list[Json]:
    """Answer GET account/account-position-risk: balances and positions of one instant."""
    account = require_account(request)
    equity = format_number(account.equity())
    positions = [] if is_other_type(request.params) else request.sight.list_positions(account)
    return [
        {
            "adjEq": "",
            "balData": [{"ccy": "USDT", "disEq": equity, "eq": equity}],
            "posData": [
                {
                    "baseBal": "",
                    "ccy": "USDT",
                    "instId": position.inst_id,
                    "instType": "SWAP",
                    "mgnMode": position.margin_mode,
                    "notionalCcy": format_number(abs(position.size) * position.ct_val),
                    "notionalUsd": format_number(position.notional(account.mark(position.inst_id))),
                    "pos": format_number(position.size if position.pos_side == "net" else abs(position.size)),
                    "posCcy": "",
                    "posId": position.pos_id,
                    "posSide": position.pos_side,
                    "quoteBal": "",
                }
                for position in positions
            ],
            "ts": str(request.now_ms),
        }
    ]


def _move_margin(account: Account, position: Position, amount: Decimal, sub_kind: str) -> None:
    """Move cash into a position's margin (out of it where `amount` is below zero), with the bill of it."""
    position.updated_ms = account.now_ms
    book_on_position(account, position, kind=MARGIN, sub_kind=sub_kind, change=-amount, moved=amount)


@contextmanager
def _leverage(
    account: Account, instrument: Instrument, margin_mode: MarginMode, leverage: Decimal | None
) -> Iterator[None]:
    """Compute with another leverage for the while; 51000 for one that the instrument does not have."""
    if leverage is None:
        yield
        return
    if not 1 <= leverage <= instrument.max_leverage:
        raise bad_parameter("leverage")
    before = dict(account.leverage)
    for side in ("net", "long", "short"):
        account.leverage[name_leverage(instrument.inst_id, margin_mode, side)] = leverage
    try:
        yield
    finally:
        account.leverage.clear()
        account.leverage.update(before)


def _read_limits(request: Request, instrument: Instrument) -> tuple[Decimal, Decimal]:
    band = price_band(request.market, instrument, request.now_ms)
    last = require_account(request).last(instrument.inst_id)
    return (last, last) if band is None else band


def _read_margin_mode(params: Params) -> MarginMode:
    return "isolated" if params.choice("tdMode", ("cross", "isolated")) == "isolated" else "cross"


def _find_largest(
    account: Account, instrument: Instrument, side: Side, price: Decimal, margin_mode: MarginMode
) -> Decimal:
    """Return the contracts of the largest order at `price` that would be taken in now, by halving; 0 without one."""

    # In hedge mode a purchase opens the long side, and a sale the short one.
    opened: PositionSide = "long" if side == "buy" else "short"
    pos_side: PositionSide = "net" if account.position_mode == "net_mode" else opened

    def fits(lots: int) -> bool:
        # As the order would be: what it meets at once, or that it rests, decides what it needs.
        order = Order(
            ord_id="",
            client_id="",
            inst_id=instrument.inst_id,
            side=side,
            kind="limit",
            size=lots * instrument.lot_sz,
            price=price,
            reduce_only=False,
            created_ms=account.now_ms,
            margin_mode=margin_mode,
            pos_side=pos_side,
        )
        return can_carry(account, order)

    least, most = 0, 1
    while fits(most):
        least, most = most, most * 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if fits(middle) else (least, middle)
    return least * instrument.lot_sz


ROUTES: Routes = {
    ("GET", "/api/v5/account/instruments"): show_instruments,
    ("GET", "/api/v5/account/max-size"): show_largest_orders,
    ("GET", "/api/v5/account/max-avail-size"): show_available,
    ("POST", "/api/v5/account/position/margin-balance"): change_margin,
    ("GET", "/api/v5/account/risk-state"): show_risk_state,
    ("GET", "/api/v5/account/account-position-risk"): show_risk,
}
