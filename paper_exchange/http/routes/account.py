"""Private endpoints of the account: configuration, balance, leverage, bills, fees (docs/okx-protocol.md, Account)."""

from __future__ import annotations

from paper_exchange.account.account import Account, name_leverage
from paper_exchange.account.ledger import ZERO
from paper_exchange.account.liquidation import compute_margin_ratio
from paper_exchange.account.placing import read_pos_side
from paper_exchange.account.positions import MarginMode, PositionSide
from paper_exchange.http.lookup import find_instrument, is_other_type, require_account
from paper_exchange.http.paging import take_page
from paper_exchange.http.request import Request, Routes
from paper_exchange.wire import Json, WireError, bad_parameter, format_number


def show_config(request: Request) -> list[Json]:
    """Answer GET account/config."""
    return [
        {
            "uid": "1",
            "mainUid": "1",
            "acctLv": "2",
            "posMode": require_account(request).position_mode,
            "acctStpMode": "cancel_maker",
            "autoLoan": False,
            "ctIsoMode": "automatic",
            "mgnIsoMode": "automatic",
            "greeksType": "PA",
            "feeType": "0",
            "level": "Lv1",
            "levelTmp": "",
            "perm": "read_only,trade",
            "ip": "",
            "label": "paper",
            "kycLv": "0",
            "liquidationGear": "-1",
            "opAuth": "0",
            "roleType": "0",
            "type": "0",
            "enableSpotBorrow": False,
            "spotBorrowAutoRepay": False,
            "settleCcy": "USDT",
            "settleCcyList": ["USDT"],
            "traderInsts": [],
            "spotTraderInsts": [],
            "spotOffsetType": "",
            "spotRoleType": "0",
            "stgyType": "0",
        }
    ]


def show_balance(request: Request) -> list[Json]:
    """Answer GET account/balance: totals, and the details of USDT."""
    account = require_account(request)
    equity, imr, mmr = account.equity(), account.initial_margin(), account.maintenance_margin()
    isolated_margin = sum((position.margin for position in account.list_isolated()), ZERO)
    isolated_equity = account.isolated_equity()
    available, frozen = account.available(), account.frozen()
    ratio = format_number(compute_margin_ratio(account))
    ts = str(account.ledger.touched_ms)
    detail = {
        "ccy": "USDT",
        "eq": format_number(equity),
        "cashBal": format_number(account.ledger.cash),
        "availBal": format_number(available),
        "availEq": format_number(available),
        "frozenBal": format_number(imr + frozen + isolated_margin),
        "ordFrozen": format_number(frozen),
        "upl": format_number(equity - account.ledger.cash - isolated_margin),
        "imr": format_number(imr),
        "mmr": format_number(mmr),
        "mgnRatio": ratio,
        "eqUsd": format_number(equity),
        "disEq": format_number(equity),
        "isoEq": format_number(isolated_equity),
        "isoUpl": format_number(isolated_equity - isolated_margin),
        "liab": "",
        "interest": "",
        "notionalLever": "",
        "crossLiab": "",
        "twap": "0",
        "uTime": ts,
    }
    wanted = request.params.text("ccy")
    details = [detail] if equity or account.ledger.cash else []
    if wanted and "USDT" not in wanted.split(","):
        details = []
    return [
        {
            "totalEq": format_number(equity),
            "adjEq": "",
            "availEq": "",
            "imr": "",
            "mmr": "",
            "mgnRatio": "",
            "isoEq": format_number(isolated_equity),
            "ordFroz": "",
            "notionalUsd": "",
            "notionalUsdForSwap": "",
            "borrowFroz": "",
            "upl": "",
            "uTime": ts,
            "details": details,
        }
    ]


def set_position_mode(request: Request) -> list[Json]:
    """Answer POST account/set-position-mode; refused while there are positions or orders."""
    mode = request.params.choice("posMode", ("net_mode", "long_short_mode"))
    account = require_account(request)
    if account.positions or account.pending() or account.live_algos():
        raise WireError("59000", "Setting failed. Cancel any open orders, close positions first.")
    account.position_mode = "net_mode" if mode == "net_mode" else "long_short_mode"
    return [{"posMode": mode}]


def set_leverage(request: Request) -> list[Json]:
    """Answer POST account/set-leverage: per contract in cross margin, per position in isolated margin."""
    account = require_account(request)
    inst_id, lever = request.params.required("instId"), request.params.number("lever")
    margin_mode: MarginMode = (
        "isolated" if request.params.choice("mgnMode", ("cross", "isolated")) == "isolated" else "cross"
    )
    instrument = find_instrument(request, inst_id)
    pos_side: PositionSide = "net" if margin_mode == "cross" else read_pos_side(account, request.params)
    if lever is None or lever < 1:
        raise bad_parameter("lever")
    affected = [
        position
        for position in account.positions.values()
        if (position.inst_id, position.margin_mode) == (inst_id, margin_mode)
        and (margin_mode == "cross" or position.pos_side == pos_side)
    ]
    if lever > min((instrument.find_tier(abs(p.size)).max_leverage for p in affected), default=instrument.max_leverage):
        raise WireError("59102", "Leverage exceeds the maximum limit. Please lower the leverage.")
    if any(order.margin_mode == margin_mode for order in account.pending(inst_id)):
        code = "59107" if margin_mode == "cross" else "59101"
        raise WireError(code, "Cancel pending orders before adjusting leverage.")
    # Margin is computed with the new leverage in place; a refusal puts back what was there.
    name = name_leverage(inst_id, margin_mode, pos_side)
    before = account.leverage.get(name)
    account.leverage[name] = lever
    if affected and margin_mode == "cross" and account.cross_equity() < account.initial_margin() + account.frozen():
        account.leverage.pop(name)
        if before is not None:
            account.leverage[name] = before
        raise WireError("59103", "Leverage is too low. There isn't enough margin in your account.")
    return [_make_leverage_row(account, inst_id, margin_mode, pos_side)]


def show_leverage(request: Request) -> list[Json]:
    """Answer GET account/leverage-info: one row per contract, in hedge mode one for each side."""
    account, names = require_account(request), request.params.required("instId").split(",")
    margin_mode: MarginMode = (
        "isolated" if request.params.choice("mgnMode", ("cross", "isolated"), "cross") == "isolated" else "cross"
    )
    sides: tuple[PositionSide, ...] = ("net",) if account.position_mode == "net_mode" else ("long", "short")
    for name in names:
        find_instrument(request, name)
    return [_make_leverage_row(account, name, margin_mode, side) for name in names for side in sides]


def list_bills(request: Request) -> list[Json]:
    """Answer GET account/bills and bills-archive."""
    params = request.params
    begin, end = params.whole("begin"), params.whole("end")
    wanted = [
        bill
        for bill in require_account(request).ledger.bills
        if not is_other_type(params)
        and params.text("type") in ("", bill.kind)
        and params.text("subType") in ("", bill.sub_kind)
        and params.text("instId") in ("", bill.inst_id)
        and (begin is None or bill.ts_ms >= begin)
        and (end is None or bill.ts_ms <= end)
    ]
    return [bill.row() for bill in take_page(request, wanted, lambda bill: int(bill.bill_id))]


def show_fees(request: Request) -> list[Json]:
    """Answer GET account/trade-fee: negative is what you pay."""
    account = require_account(request)
    maker, taker = format_number(-account.maker), format_number(-account.taker)
    return [
        {
            "category": "1",
            "delivery": "",
            "exercise": "",
            "instType": request.params.text("instType", "SWAP"),
            "level": "Lv1",
            "maker": maker,
            "makerU": maker,
            "makerUSDC": "",
            "taker": taker,
            "takerU": taker,
            "takerUSDC": "",
            "ruleType": "normal",
            "ts": str(request.now_ms),
            "fiat": [],
            "feeGroup": [],
        }
    ]


def list_funding_balances(request: Request) -> list[Json]:
    """Answer GET asset/balances and asset/currencies: the paper account has no funding wallet."""
    return []


def _make_leverage_row(
    account: Account, inst_id: str, margin_mode: MarginMode, pos_side: PositionSide
) -> dict[str, Json]:
    return {
        "ccy": "",
        "instId": inst_id,
        "mgnMode": margin_mode,
        "posSide": pos_side,
        "lever": format_number(account.lever(inst_id, margin_mode, pos_side)),
    }


ROUTES: Routes = {
    ("GET", "/api/v5/account/config"): show_config,
    ("GET", "/api/v5/account/balance"): show_balance,
    ("POST", "/api/v5/account/set-position-mode"): set_position_mode,
    ("POST", "/api/v5/account/set-leverage"): set_leverage,
    ("GET", "/api/v5/account/leverage-info"): show_leverage,
    ("GET", "/api/v5/account/bills"): list_bills,
    ("GET", "/api/v5/account/bills-archive"): list_bills,
    ("GET", "/api/v5/account/trade-fee"): show_fees,
    ("GET", "/api/v5/asset/balances"): list_funding_balances,
    ("GET", "/api/v5/asset/currencies"): list_funding_balances,
}
