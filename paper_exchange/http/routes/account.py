"""Private endpoints of the account: configuration, balance, leverage, bills, fees (docs/okx-protocol.md, Account)."""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account.account import Account, name_leverage
from paper_exchange.account.ledger import ZERO
from paper_exchange.account.liquidation import compute_margin_ratio
from paper_exchange.account.placing import read_pos_side
from paper_exchange.account.positions import MarginMode, PositionSide
from paper_exchange.http.lookup import find_instrument, fits_instrument, require_account
from paper_exchange.http.paging import is_within, take_page
from paper_exchange.http.request import Handler, Request, Routes
from paper_exchange.http.retention import ARCHIVE_MS, RECENT_MS, keep_recent
from paper_exchange.http.row_faults import consume_fault
from paper_exchange.wire import Json, WireError, bad_parameter, empty_fields, format_number

_DETAIL_ZEROS: dict[str, Json] = dict.fromkeys(
    empty_fields(
        "autoLendMtAmt colRes colBorrAutoConversion fixedBal frpType rewardBal smtSyncEq spotCopyTradingEq spotIsoBal "
        "stgyEq"
    ),
    "0",
)
_DETAIL_EMPTY = empty_fields(
    "accAvgPx borrowFroz clSpotInUseAmt isoLiab maxLoan maxSpotInUse maxSpotInUseAmt openAvgPx spotBal spotInUseAmt "
    "spotUpl spotUplRatio totalPnl totalPnlRatio uplLiab"
)
_DETAIL_SETTINGS: dict[str, Json] = {
    "autoLendStatus": "off",
    "coinUsdPrice": "1",
    "collateralEnabled": False,
    "collateralRestrict": False,
}
"""Fields of a currency that Futures mode without borrowing leaves at zero, empty or off."""


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


def _find_shown_share(request: Request) -> Decimal:
    """Return the share of the balance that a fault shows; 1 without one."""
    fault = consume_fault(request, "wrong_balance")
    return Decimal(1) if fault is None else Decimal(str(fault.params.get("share", 0)))


def show_balance(request: Request) -> list[Json]:
    """Answer GET account/balance: totals, and the details of USDT."""
    account = require_account(request)
    imr, mmr = account.initial_margin(), account.maintenance_margin()
    share = _find_shown_share(request)
    equity, cash = account.equity() * share, account.ledger.cash * share
    isolated_margin = sum((position.margin for position in account.list_isolated()), ZERO)
    isolated_equity = account.isolated_equity()
    available, frozen = account.available() * share, account.frozen()
    ratio = format_number(compute_margin_ratio(account))
    ts = str(account.ledger.touched_ms)
    detail = {
        "ccy": "USDT",
        "eq": format_number(equity),
        "cashBal": format_number(cash),
        "availBal": format_number(available),
        "availEq": format_number(available),
        "frozenBal": format_number(imr + frozen + isolated_equity),
        "ordFrozen": format_number(frozen),
        "upl": format_number(equity - cash - isolated_margin),
        "imr": format_number(imr),
        "mmr": format_number(mmr),
        "mgnRatio": ratio,
        "eqUsd": format_number(equity),
        "disEq": format_number(isolated_equity),
        "isoEq": format_number(isolated_equity),
        "isoUpl": format_number(isolated_equity - isolated_margin),
        "liab": "",
        "interest": "",
        "notionalLever": format_number(_compute_notional_leverage(account)),
        "crossLiab": "",
        "twap": "0",
        "uTime": ts,
        **_DETAIL_ZEROS,
        **_DETAIL_EMPTY,
        **_DETAIL_SETTINGS,
    }
    wanted = request.params.text("ccy")
    details = [detail] if equity or cash else []
    details += _make_fee_detail(account, ts)
    if wanted:
        details = [row for row in details if row["ccy"] in wanted.split(",")]
    total = sum((Decimal(row["eqUsd"]) for row in details), Decimal(0)) if not wanted else equity
    return [
        {
            "totalEq": format_number(total),
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
            "delta": "",
            "deltaLever": "",
            "deltaNeutralStatus": "0",
            "notionalUsdForBorrow": "",
            "notionalUsdForFutures": "",
            "notionalUsdForOption": "",
            "upl": "",
            "uTime": ts,
            "details": details,
        }
    ]


def _compute_notional_leverage(account: Account) -> Decimal:
    """Return the value of the cross positions over the equity that carries them; 0 without either."""
    value = sum((p.notional(account.mark(p.inst_id)) for p in account.list_cross()), ZERO)
    equity = account.cross_equity()
    return value / equity if equity > 0 else ZERO


def _make_fee_detail(account: Account, ts: str) -> list[dict[str, Json]]:
    """Return the row of the currency that pays the fees, where there is one; it is no margin for swaps in USDT."""
    other = account.ledger.fee_currency
    if other is None or not other.balance:
        return []
    amount, usd = format_number(other.balance), format_number(other.balance * other.usdt)
    row: dict[str, Json] = dict.fromkeys(
        ("ordFrozen", "frozenBal", "upl", "imr", "mmr", "isoEq", "isoUpl", "twap"), "0"
    )
    row |= dict.fromkeys(("mgnRatio", "liab", "interest", "crossLiab"), "")
    row |= dict.fromkeys(("eq", "cashBal", "availBal", "availEq"), amount)
    row |= {"ccy": other.name, "eqUsd": usd, "disEq": "0", "notionalLever": "0", "uTime": ts}
    row |= {**_DETAIL_ZEROS, **_DETAIL_EMPTY, **_DETAIL_SETTINGS, "coinUsdPrice": format_number(other.usdt)}
    return [row]


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
    pos_side = read_pos_side(account, request.params)
    if margin_mode == "cross":
        pos_side = "net"
    if lever is None or lever <= 0:
        raise bad_parameter("lever")
    if lever < 1:
        raise WireError("59105", "Leverage can't be less than 1. Please increase the leverage.", http_status=400)
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
    row = _make_leverage_row(account, inst_id, margin_mode, pos_side)
    return [{name: row[name] for name in ("instId", "lever", "mgnMode", "posSide")}]


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


def _make_bills_handler(kept_ms: int) -> Handler:
    def list_bills(request: Request) -> list[Json]:
        params = request.params
        if params.text("ctType", "linear") != "linear":
            return []
        bills = keep_recent(request, require_account(request).ledger.bills, kept_ms, lambda bill: bill.ts_ms)
        wanted = [
            bill
            for bill in bills
            if fits_instrument(params, bill.inst_id)
            and params.text("ccy") in ("", bill.ccy)
            and params.text("mgnMode") in ("", bill.margin_mode)
            and params.text("type") in ("", bill.kind)
            and params.text("subType") in ("", bill.sub_kind)
            and is_within(request, bill.ts_ms)
        ]
        return [bill.row() for bill in take_page(request, wanted, lambda bill: int(bill.bill_id))]

    return list_bills


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
            "makerUSDC": maker,
            "taker": taker,
            "takerU": taker,
            "takerUSDC": taker,
            "ruleType": "normal",
            "ts": str(request.now_ms),
            "fiat": [],
            "feeGroup": [{"groupId": "4", "maker": maker, "taker": taker, "elpMaker": maker, "rpiMaker": maker}],
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
    ("GET", "/api/v5/account/bills"): _make_bills_handler(RECENT_MS),
    ("GET", "/api/v5/account/bills-archive"): _make_bills_handler(ARCHIVE_MS),
    ("GET", "/api/v5/account/trade-fee"): show_fees,
    ("GET", "/api/v5/asset/balances"): list_funding_balances,
    ("GET", "/api/v5/asset/currencies"): list_funding_balances,
}
