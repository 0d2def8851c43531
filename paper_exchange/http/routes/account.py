"""Private endpoints of the account: configuration, balance, positions, leverage, bills, fees."""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account import liquidation
from paper_exchange.account.account import Engine
from paper_exchange.account.positions import Position
from paper_exchange.http.envelope import Json, WireError, text
from paper_exchange.http.request import Call, Routes
from paper_exchange.http.routes.trade import other_type, paged
from paper_exchange.market.prices import price_at

_EMPTY_POSITION = dict.fromkeys(
    (
        "baseBal", "bizRefId", "bizRefType", "deltaBS", "deltaPA", "gammaBS", "gammaPA", "interest", "liab",
        "liabCcy", "margin", "nonSettleAvgPx", "optVal", "pendingCloseOrdLiabVal", "posCcy", "quoteBal",
        "settledPnl", "spotInUseAmt", "spotInUseCcy", "thetaBS", "thetaPA", "vegaBS", "vegaPA",
    ),
    "",
)  # fmt: skip


def config(call: Call) -> list[Json]:
    """GET account/config."""
    return [{
        "uid": "1", "mainUid": "1", "acctLv": "2", "posMode": "net_mode", "acctStpMode": "cancel_maker",
        "autoLoan": False, "ctIsoMode": "automatic", "mgnIsoMode": "automatic", "greeksType": "PA", "feeType": "0",
        "level": "Lv1", "levelTmp": "", "perm": "read_only,trade", "ip": "", "label": "paper", "kycLv": "0",
        "liquidationGear": "-1", "opAuth": "0", "roleType": "0", "type": "0", "enableSpotBorrow": False,
        "spotBorrowAutoRepay": False, "settleCcy": "USDT", "settleCcyList": ["USDT"], "traderInsts": [],
        "spotTraderInsts": [], "spotOffsetType": "", "spotRoleType": "0", "stgyType": "0",
    }]  # fmt: skip


def balance(call: Call) -> list[Json]:
    """GET account/balance: totals, and the details of USDT."""
    engine: Engine = call.engine
    equity, imr, mmr = engine.equity(), engine.initial_margin(), engine.maintenance_margin()
    available, frozen = engine.available(), engine.frozen()
    ratio = _margin_ratio(engine)
    ts = str(engine.ledger.touched_ms)
    detail = {
        "ccy": "USDT", "eq": text(equity), "cashBal": text(engine.ledger.cash), "availBal": text(available),
        "availEq": text(available), "frozenBal": text(imr + frozen), "ordFrozen": text(frozen),
        "upl": text(equity - engine.ledger.cash), "imr": text(imr), "mmr": text(mmr), "mgnRatio": ratio,
        "eqUsd": text(equity), "disEq": text(equity), "isoEq": "0", "isoUpl": "0", "liab": "", "interest": "",
        "notionalLever": "", "crossLiab": "", "twap": "0", "uTime": ts,
    }  # fmt: skip
    wanted = call.params.text("ccy")
    details = [detail] if equity or engine.ledger.cash else []
    if wanted and "USDT" not in wanted.split(","):
        details = []
    return [{
        "totalEq": text(equity), "adjEq": "", "availEq": "", "imr": "", "mmr": "", "mgnRatio": "", "isoEq": "0",
        "ordFroz": "", "notionalUsd": "", "notionalUsdForSwap": "", "borrowFroz": "", "upl": "", "uTime": ts,
        "details": details,
    }]  # fmt: skip


def positions(call: Call) -> list[Json]:
    """GET account/positions; the fault `zero_position_row` adds a row whose pos is 0."""
    engine: Engine = call.engine
    wanted = [name for name in call.params.text("instId").split(",") if name]
    rows = [
        _position_row(engine, p)
        for p in engine.positions.values()
        if (not wanted or p.inst_id in wanted)
        and call.params.text("posId") in ("", p.pos_id)
        and not other_type(call.params)
    ]
    if call.faults.consume("zero_position_row", call.method, call.path) is not None:
        inst_id = wanted[0] if wanted else next(iter(call.market.instruments))
        flat = Position(inst_id, Decimal(1), "0", call.now_ms)
        rows.append({**_position_row(engine, flat), "pos": "0", "avgPx": ""})
    return rows


def positions_history(call: Call) -> list[Json]:
    """GET account/positions-history."""
    engine: Engine = call.engine
    wanted = call.params.text("instId")
    closed = [i for i in engine.closed_positions if wanted in ("", i[0].inst_id) and not other_type(call.params)]
    return [_closed_row(engine, *item) for item in paged(call, closed, lambda item: item[1])]


def set_position_mode(call: Call) -> list[Json]:
    """POST account/set-position-mode: net positions only."""
    mode = call.params.choice("posMode", ("net_mode", "long_short_mode"))
    engine: Engine = call.engine
    if engine.positions or engine.pending() or engine.live_algos():
        raise WireError("59000", "Setting failed. Cancel any open orders, close positions first.")
    if mode != "net_mode":
        raise WireError("51000", "Parameter posMode error: the paper exchange keeps net positions")
    return [{"posMode": mode}]


def set_leverage(call: Call) -> list[Json]:
    """POST account/set-leverage, cross margin, per contract."""
    engine: Engine = call.engine
    inst_id, lever = call.params.required("instId"), call.params.number("lever")
    call.params.choice("mgnMode", ("cross",))
    instrument = call.market.instruments.get(inst_id)
    if instrument is None:
        raise WireError("51001", f"Instrument ID, Instrument ID code, or Spread ID {inst_id} doesn't exist.")
    if lever is None or lever < 1:
        raise WireError("51000", "Parameter lever error")
    if lever > instrument.max_leverage:
        raise WireError("59102", "Leverage exceeds the maximum limit. Please lower the leverage.")
    if engine.pending(inst_id):
        raise WireError("59107", "Cancel pending orders before adjusting leverage.")
    before = engine.leverage.get(inst_id)
    engine.leverage[inst_id] = lever
    if inst_id in engine.positions and engine.equity() < engine.initial_margin() + engine.frozen():
        engine.leverage.pop(inst_id)
        if before is not None:
            engine.leverage[inst_id] = before
        raise WireError("59103", "Leverage is too low. There isn't enough margin in your account.")
    return [_leverage_row(engine, inst_id)]


def leverage_info(call: Call) -> list[Json]:
    """GET account/leverage-info."""
    names = call.params.required("instId").split(",")
    for name in names:
        if name not in call.market.instruments:
            raise WireError("51001", f"Instrument ID, Instrument ID code, or Spread ID {name} doesn't exist.")
    return [_leverage_row(call.engine, name) for name in names]


def bills(call: Call) -> list[Json]:
    """GET account/bills and bills-archive."""
    params = call.params
    begin, end = params.whole("begin"), params.whole("end")
    wanted = [
        bill
        for bill in call.engine.ledger.bills
        if not other_type(params)
        and params.text("type") in ("", bill.kind)
        and params.text("subType") in ("", bill.sub_kind)
        and params.text("instId") in ("", bill.inst_id)
        and (begin is None or bill.ts_ms >= begin)
        and (end is None or bill.ts_ms <= end)
    ]
    return [bill.row() for bill in paged(call, wanted, lambda bill: int(bill.bill_id))]


def trade_fee(call: Call) -> list[Json]:
    """GET account/trade-fee: negative is what you pay."""
    engine: Engine = call.engine
    maker, taker = text(-engine.maker), text(-engine.taker)
    return [{"category": "1", "delivery": "", "exercise": "", "instType": call.params.text("instType", "SWAP"),
             "level": "Lv1", "maker": maker, "makerU": maker, "makerUSDC": "", "taker": taker, "takerU": taker,
             "takerUSDC": "", "ruleType": "normal", "ts": str(call.now_ms), "fiat": [], "feeGroup": []}]  # fmt: skip


def funding_balances(call: Call) -> list[Json]:
    """GET asset/balances and asset/currencies: the paper account has no funding wallet."""
    return []


def _leverage_row(engine: Engine, inst_id: str) -> dict[str, Json]:
    return {"ccy": "", "instId": inst_id, "mgnMode": "cross", "posSide": "net", "lever": text(engine.lever(inst_id))}


def _position_row(engine: Engine, position: Position) -> dict[str, Json]:
    inst_id = position.inst_id
    mark, last, lever = engine.mark(inst_id), engine.last(inst_id), engine.lever(inst_id)
    notional, profit = position.notional(mark), position.unrealized(mark)
    rate = engine.market.instruments[inst_id].maintenance_rate
    index = price_at(engine.market, inst_id, engine.now_ms, "index")
    liquidated_at = liquidation.shown_price(engine, inst_id)
    at_entry = position.notional(position.avg_px) / lever
    sign = 1 if position.size >= 0 else -1
    return {
        **_EMPTY_POSITION,
        "instType": "SWAP", "instId": inst_id, "mgnMode": "cross", "posId": position.pos_id, "posSide": "net",
        "pos": text(position.size), "availPos": text(position.size), "avgPx": text(position.avg_px),
        "markPx": text(mark), "idxPx": text(index), "last": text(last), "upl": text(profit),
        "uplRatio": text(profit / at_entry) if at_entry else "", "uplLastPx": text(position.unrealized(last)),
        "uplRatioLastPx": "", "lever": text(lever), "liqPx": text(liquidated_at),
        "imr": text(notional / lever), "mmr": text(notional * rate),
        "mgnRatio": _margin_ratio(engine),
        "notionalUsd": text(notional), "adl": "1", "ccy": "USDT", "usdPx": "1",
        "bePx": text(position.avg_px * (1 + sign * engine.taker) / (1 - sign * engine.taker)),
        "realizedPnl": text(position.realized), "pnl": text(position.pnl), "fee": text(position.fee),
        "fundingFee": text(position.funding), "liqPenalty": "0", "tradeId": position.trade_id,
        "cTime": str(position.opened_ms), "uTime": str(position.updated_ms or position.opened_ms),
        "closeOrderAlgo": [],
    }  # fmt: skip


def _margin_ratio(engine: Engine) -> str:
    """Equity over what liquidation begins at: 1 is the end; "" without positions."""
    required = liquidation.required(engine)
    return text(engine.equity() / required) if required else ""


def _closed_row(engine: Engine, position: Position, at_ms: int, how: str) -> dict[str, Json]:
    lever = engine.lever(position.inst_id)
    average = position.closed_notional / position.closed_size
    invested = position.largest * position.ct_val * position.avg_px / lever
    return {
        "instType": "SWAP", "instId": position.inst_id, "mgnMode": "cross", "type": how,
        "cTime": str(position.opened_ms),
        "uTime": str(at_ms), "openAvgPx": text(position.avg_px), "closeAvgPx": text(average),
        "posId": position.pos_id, "openMaxPos": text(position.largest), "closeTotalPos": text(position.closed_size),
        "realizedPnl": text(position.realized), "pnl": text(position.pnl), "fee": text(position.fee),
        "fundingFee": text(position.funding), "liqPenalty": "0", "pnlRatio": text(position.realized / invested),
        "lever": text(lever), "direction": "", "posSide": "net", "ccy": "USDT", "triggerPx": "",
        "uly": position.inst_id.removesuffix("-SWAP"), "nonSettleAvgPx": "", "settledPnl": "",
    }  # fmt: skip


ROUTES: Routes = {
    ("GET", "/api/v5/account/config"): config,
    ("GET", "/api/v5/account/balance"): balance,
    ("GET", "/api/v5/account/positions"): positions,
    ("GET", "/api/v5/account/positions-history"): positions_history,
    ("POST", "/api/v5/account/set-position-mode"): set_position_mode,
    ("POST", "/api/v5/account/set-leverage"): set_leverage,
    ("GET", "/api/v5/account/leverage-info"): leverage_info,
    ("GET", "/api/v5/account/bills"): bills,
    ("GET", "/api/v5/account/bills-archive"): bills,
    ("GET", "/api/v5/account/trade-fee"): trade_fee,
    ("GET", "/api/v5/asset/balances"): funding_balances,
    ("GET", "/api/v5/asset/currencies"): funding_balances,
}
