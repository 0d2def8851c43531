"""Private endpoints of positions, open and closed (docs/okx-protocol.md, Positions)."""

from __future__ import annotations

from decimal import Decimal

from paper_exchange.account.account import Account
from paper_exchange.account.algo_orders import AlgoOrder
from paper_exchange.account.liquidation import compute_position_ratio, find_shown_price
from paper_exchange.account.positions import Position
from paper_exchange.http.lookup import fits_instrument, is_other_type, require_account
from paper_exchange.http.paging import take_page
from paper_exchange.http.request import Request, Routes
from paper_exchange.http.retention import ARCHIVE_MS, keep_recent
from paper_exchange.http.row_faults import consume_fault
from paper_exchange.market.prices import price_at
from paper_exchange.wire import Json, empty_fields, format_leverage, format_number

_EMPTY_POSITION = empty_fields(
    "baseBal baseBorrowed baseInterest bizRefId bizRefType clSpotInUseAmt deltaBS deltaPA gammaBS gammaPA hedgedPos "
    "interest liab liabCcy maxSpotInUseAmt nonSettleAvgPx optVal pendingCloseOrdLiabVal posCcy quoteBal "
    "quoteBorrowed quoteInterest settledPnl spotInUseAmt spotInUseCcy thetaBS thetaPA vegaBS vegaPA"
)

PARTLY = "1"
"""Type of a closed position that is still open with the rest."""


def list_positions(request: Request) -> list[Json]:
    """Answer GET account/positions; the fault `zero_position_row` adds a row whose pos is 0."""
    account = require_account(request)
    params = request.params
    wanted = [name for name in params.text("instId").split(",") if name]
    ids = [pos_id for pos_id in params.text("posId").split(",") if pos_id]
    rows = [
        make_position_row(account, p)
        for p in request.sight.list_positions(account)
        if (not wanted or p.inst_id in wanted) and (not ids or p.pos_id in ids) and not is_other_type(params)
    ]
    if consume_fault(request, "zero_position_row"):
        inst_id = wanted[0] if wanted else next(iter(request.market.instruments))
        flat = Position(inst_id=inst_id, ct_val=Decimal(1), pos_id="0", opened_ms=request.now_ms)
        rows.append({**make_position_row(account, flat), "pos": "0", "avgPx": ""})
    return rows


def list_closed_positions(request: Request) -> list[Json]:
    """Answer GET account/positions-history: what was closed, wholly or in part, in the last three months.

    An open position of which a part was closed is there, too (`type` 1). Rows of one instant stay together: a page
    may be longer than its limit.
    """
    account, params = require_account(request), request.params
    opened = [(p, p.closed_ms, PARTLY) for p in request.sight.list_positions(account) if p.closed_ms]
    known = keep_recent(request, [*request.sight.list_closed(account), *opened], ARCHIVE_MS, lambda item: item[1])
    wanted = [
        item
        for item in known
        if fits_instrument(params, item[0].inst_id)
        and params.text("mgnMode") in ("", item[0].margin_mode)
        and params.text("type") in ("", item[2])
        and params.text("posId") in ("", item[0].pos_id)
    ]
    page = take_page(request, wanted, lambda item: item[1])
    if page:
        page += [item for item in wanted if item[1] == page[-1][1] and not any(item is shown for shown in page)]
    return [_make_closed_row(account, *item) for item in page]


def make_position_row(account: Account, position: Position) -> dict[str, Json]:
    """Return the row of account/positions, of a position without a size, too."""
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
        "uplRatioLastPx": format_number(position.unrealized(last) / at_entry) if at_entry else "",
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
        "closeOrderAlgo": [_make_closing_row(algo) for algo in _list_closing(account, position)],
    }


def _list_closing(account: Account, position: Position) -> list[AlgoOrder]:
    """Return the waiting algo orders that close the whole position, whatever its size (`closeFraction`)."""
    return [
        algo
        for algo in account.live_algos(position.inst_id)
        if algo.close_fraction is not None and algo.holding == position.holding
    ]


def _make_closing_row(algo: AlgoOrder) -> dict[str, Json]:
    shown = algo.row()
    names = ("algoId", "slTriggerPx", "slTriggerPxType", "tpTriggerPx", "tpTriggerPxType", "closeFraction")
    return {name: shown[name] for name in names}


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
        "lever": format_leverage(lever),
        "direction": position.direction,
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
