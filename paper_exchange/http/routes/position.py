"""Private endpoints of positions, open and closed (docs/okx-protocol.md, Positions)."""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.liquidation import compute_position_ratio, find_shown_price
from paper_exchange.account.positions import Position
from paper_exchange.http.lookup import is_other_type, require_account
from paper_exchange.http.paging import take_page
from paper_exchange.http.request import Request, Routes
from paper_exchange.http.row_faults import consume_fault
from paper_exchange.market.prices import price_at
from paper_exchange.wire import Json, empty_fields, format_number

_EMPTY_POSITION = empty_fields(
    "baseBal bizRefId bizRefType deltaBS deltaPA gammaBS gammaPA interest liab liabCcy nonSettleAvgPx "
    "optVal pendingCloseOrdLiabVal posCcy quoteBal settledPnl spotInUseAmt spotInUseCcy thetaBS thetaPA "
    "vegaBS vegaPA"
)


def list_positions(request: Request) -> list[Json]:
    """Answer GET account/positions; the fault `zero_position_row` adds a row whose pos is 0."""
    account = require_account(request)
    wanted = [name for name in request.params.text("instId").split(",") if name]
    rows = [
        _make_row(account, p)
        for p in account.positions.values()
        if (not wanted or p.inst_id in wanted)
        and request.params.text("posId") in ("", p.pos_id)
        and not is_other_type(request.params)
    ]
    if consume_fault(request, "zero_position_row"):
        inst_id = wanted[0] if wanted else next(iter(request.market.instruments))
        flat = Position(inst_id=inst_id, ct_val=Decimal(1), pos_id="0", opened_ms=request.now_ms)
        rows.append({**_make_row(account, flat), "pos": "0", "avgPx": ""})
    return rows


def list_closed_positions(request: Request) -> list[Json]:
    """Answer GET account/positions-history."""
    account = require_account(request)
    wanted = request.params.text("instId")
    closed = [i for i in account.closed_positions if wanted in ("", i[0].inst_id) and not is_other_type(request.params)]
    return [_make_closed_row(account, *item) for item in take_page(request, closed, lambda item: item[1])]


def _make_row(account: Account, position: Position) -> dict[str, Json]:
    inst_id = position.inst_id
    mark, last, lever = account.mark(inst_id), account.last(inst_id), account.lever_of(position)
    notional, profit = position.notional(mark), position.unrealized(mark)
    index = price_at(account.market, inst_id, account.now_ms, "index")
    at_entry = position.notional(position.avg_px) / lever
    size = format_number(position.size if position.pos_side == "net" else abs(position.size))
    sign = 1 if position.size >= 0 else -1  # a flat row of the fault has a sign, too
    return {
        **_EMPTY_POSITION,
        "instType": "SWAP",
        "instId": inst_id,
        "mgnMode": position.margin_mode,
        "posId": position.pos_id,
        "posSide": position.pos_side,
        "pos": size,
        "availPos": size,
        "avgPx": format_number(position.avg_px),
        "markPx": format_number(mark),
        "idxPx": format_number(index),
        "last": format_number(last),
        "upl": format_number(profit),
        "uplRatio": format_number(profit / at_entry) if at_entry else "",
        "uplLastPx": format_number(position.unrealized(last)),
        "uplRatioLastPx": "",
        "lever": format_number(lever),
        "liqPx": format_number(find_shown_price(account, position)),
        "imr": "" if position.isolated else format_number(notional / lever),
        "margin": format_number(position.margin) if position.isolated else "",
        "mmr": format_number(notional * account.maintenance_rate(position)),
        "mgnRatio": format_number(compute_position_ratio(account, position)),
        "notionalUsd": format_number(notional),
        "adl": "1",
        "ccy": "USDT",
        "usdPx": "1",
        "bePx": format_number(position.avg_px * (1 + sign * account.taker) / (1 - sign * account.taker)),
        "realizedPnl": format_number(position.realized),
        "pnl": format_number(position.pnl),
        "fee": format_number(position.fee),
        "fundingFee": format_number(position.funding),
        "liqPenalty": format_number(position.penalty),
        "tradeId": position.trade_id,
        "cTime": str(position.opened_ms),
        "uTime": str(position.updated_ms or position.opened_ms),
        "closeOrderAlgo": [],
    }


def _make_closed_row(account: Account, position: Position, at_ms: int, how: str) -> dict[str, Json]:
    lever = account.lever_of(position)
    average = position.closed_notional / position.closed_size
    invested = position.closed_size * position.ct_val * position.avg_px / lever
    return {
        "instType": "SWAP",
        "instId": position.inst_id,
        "mgnMode": position.margin_mode,
        "type": how,
        "cTime": str(position.opened_ms),
        "uTime": str(at_ms),
        "openAvgPx": format_number(position.avg_px),
        "closeAvgPx": format_number(average),
        "posId": position.pos_id,
        "openMaxPos": format_number(position.largest),
        "closeTotalPos": format_number(position.closed_size),
        "realizedPnl": format_number(position.realized),
        "pnl": format_number(position.pnl),
        "fee": format_number(position.fee),
        "fundingFee": format_number(position.funding),
        "liqPenalty": format_number(position.penalty),
        "pnlRatio": format_number(position.realized / invested),
        "lever": format_number(lever),
        "direction": "",
        "posSide": position.pos_side,
        "ccy": "USDT",
        "triggerPx": "",
        "uly": position.inst_id.removesuffix("-SWAP"),
        "nonSettleAvgPx": "",
        "settledPnl": "",
    }


ROUTES: Routes = {
    ("GET", "/api/v5/account/positions"): list_positions,
    ("GET", "/api/v5/account/positions-history"): list_closed_positions,
}
