"""Stops are what rests on the venue, not what was asked for."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import ccxt
import pytest

from pairity.errors import TradingError, VenueError
from pairity.strategy.types import Side
from serving.journal import Charge, IntentState, Purpose
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, ETH, T0, Desk, entry, exit_of, opened

ALGO, PENDING = "privatePostTradeOrderAlgo", "privateGetTradeOrdersAlgoPending"


def stops(tiny: TinyOkx) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(algo["slTriggerPx"]), Decimal(algo["tpTriggerPx"])) for algo in tiny.live_algos(BTC)]


@pytest.mark.parametrize("side", list(Side))
def test_stops_follow_the_actual_fill(side: Side, desk: Desk, tiny: TinyOkx) -> None:
    """Reference 80000, filled at 81000; ATR distances 2400 and 3200 are 2.96% and 3.95% of it, so inside bounds."""
    tiny.prices[BTC] = Decimal(81000)
    position = asyncio.run(opened(desk, entry(side)))
    sign = side.sign
    assert stops(tiny) == [(81000 - sign * 2400, 81000 + sign * 3200)]
    assert position.legs[0].stop_price == 81000 - sign * 2400


@pytest.mark.parametrize("ticks", [-1, 1])
@pytest.mark.parametrize("side", list(Side))
def test_a_fill_one_tick_from_the_reference_moves_the_stops_by_that_tick(
    side: Side, ticks: int, desk: Desk, tiny: TinyOkx
) -> None:
    """What was attached was computed from the reference, and lies a tick beside what the fill gives."""
    fill = Decimal(80000) + ticks * Decimal("0.1")
    tiny.prices[BTC] = fill
    position = asyncio.run(opened(desk, entry(side)))
    wanted = (fill - side.sign * 2400, fill + side.sign * 3200)
    assert stops(tiny) == [wanted]
    assert (position.legs[0].stop_price, position.legs[0].target_price) == tuple(map(float, wanted))


def test_the_replacement_is_placed_before_the_old_one_is_cancelled(desk: Desk, tiny: TinyOkx) -> None:
    tiny.prices[BTC] = Decimal(81000)
    asyncio.run(opened(desk))
    order = [name for name, _ in tiny.calls if name in (ALGO, "privatePostTradeCancelAlgos")]
    assert order == [ALGO, "privatePostTradeCancelAlgos"]
    ids = [intent.state for intent in desk.journal.intents(entry().position_id, 0, Purpose.PROTECT)]
    assert ids == [IntentState.CANCELLED, IntentState.ACKNOWLEDGED]


def test_a_missing_attachment_is_replaced(desk: Desk, tiny: TinyOkx) -> None:
    tiny.drop_attached = True
    asyncio.run(opened(desk))
    assert stops(tiny) == [(Decimal(82400), Decimal(76800))]
    assert tiny.sent(ALGO)[0]["reduceOnly"] is True


@pytest.mark.parametrize("fault", ["timeout", "aborted", "reset", "html"])
def test_a_doubtful_protection_is_looked_up_not_doubled(fault: str, desk: Desk, tiny: TinyOkx) -> None:
    tiny.drop_attached = True
    tiny.faults = [(ALGO, fault)]
    asyncio.run(opened(desk))
    assert len(tiny.live_algos(BTC)) == 1


def test_what_cannot_be_protected_is_closed_and_reported(desk: Desk, tiny: TinyOkx) -> None:
    tiny.drop_attached = True
    tiny.refuse_algos = "51280"
    wanted = entry()
    outcome = asyncio.run(desk.executor.open(wanted, desk.decide(wanted)))
    assert outcome.position is None
    assert any("no protection" in problem for problem in outcome.problems)
    assert tiny.size(BTC) == 0
    record = desk.journal.position(wanted.position_id)
    assert record is not None
    assert record.close is not None
    assert record.close.exit_reason == "unprotected"


def test_an_old_stop_is_better_than_none(desk: Desk, tiny: TinyOkx) -> None:
    tiny.prices[BTC] = Decimal(81000)
    tiny.refuse_algos = "51280"
    wanted = entry()
    outcome = asyncio.run(desk.executor.open(wanted, desk.decide(wanted)))
    assert outcome.position is not None
    assert outcome.position.legs[0].stop_price == 82400.0
    assert any("keeps its stop" in problem for problem in outcome.problems)
    assert stops(tiny) == [(Decimal(82400), Decimal(76800))]


def test_an_unreadable_list_of_stops_is_not_an_empty_one(desk: Desk, tiny: TinyOkx) -> None:
    """Nothing is placed or closed for it: the position is in the journal, the next reconciliation looks again."""
    tiny.faults = [(PENDING, "html")] * 2
    with pytest.raises(VenueError):
        asyncio.run(opened(desk))
    assert tiny.sent(ALGO) == []
    assert tiny.size(BTC) == Decimal("-1.25")
    report = asyncio.run(desk.reconciler.run())
    assert stops(tiny) == [(Decimal(82400), Decimal(76800))]
    assert [position.legs[0].stop_price for position in report.positions] == [82400.0]


def test_an_exit_looks_each_stop_up_once_and_those_in_doubt_again(desk: Desk, tiny: TinyOkx) -> None:
    """What was cancelled is over in the journal: only whether one was triggered is asked, for the result."""
    tiny.prices[BTC] = Decimal(81000)  # the attached stop is replaced: there are two to ask for
    position = asyncio.run(opened(desk))
    tiny.calls.clear()
    asyncio.run(desk.executor.close(position, "z_cross", None))
    asked = [params["algoClOrdId"] for params in tiny.sent("privateGetTradeOrderAlgo")]
    assert len(asked) == len(set(asked)) == 2
    assert tiny.live_algos(BTC) == []


def test_an_exit_leaves_nothing_behind(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.move(BTC, Decimal(79000))
    decision = desk.decide(exits=exit_of(position), at=T0 + timedelta(hours=1))
    closed = asyncio.run(desk.executor.close(position, "z_cross", decision.decision_id))
    assert closed.problems == ()
    assert tiny.live_algos(BTC) == []
    assert desk.journal.unsettled() == []
    q = Decimal("1.25") * Decimal("0.01")
    assert closed.close.exit_price == 79000
    assert closed.close.pnl_usdt == q * 1000
    assert closed.close.fees_usdt == -q * (80000 + 79000) * Decimal("0.0005")
    assert closed.close.net_usdt == q * 1000 - q * 159000 * Decimal("0.0005")
    assert tiny.sent("privatePostTradeOrder")[-1]["reduceOnly"] is True


def test_a_fee_without_a_price_is_refused_by_name(desk: Desk, tiny: TinyOkx) -> None:
    tiny.fee_currency = "OKB"
    position = asyncio.run(opened(desk))
    closed = asyncio.run(desk.executor.close(position, "z_cross", None))
    assert (closed.close.fees_usdt, closed.close.net_usdt) == (None, None)
    assert closed.close.pnl_usdt == 0
    assert any("OKB" in problem for problem in closed.problems)
    fills = desk.journal.fills(position.position_id)
    assert [fill.fee_usdt for fill in fills] == [None, None]
    assert [fill.charged for fill in fills] == [Charge(Decimal("-0.5"), "OKB")] * 2


def test_pnl_is_booked_on_the_instrument_that_was_traded(desk: Desk, tiny: TinyOkx) -> None:
    """Trap 2: the pair is ETH against SOL, the trade is ETH; BTC and SOL move and must not matter."""
    tiny.prices[ETH] = Decimal(2000)
    wanted = entry(Side.BUY, "5", 2000.0, asset="ETH")
    position = asyncio.run(opened(desk, wanted))
    tiny.prices |= {BTC: Decimal(90000), "SOL-USDT-SWAP": Decimal(50), ETH: Decimal(2010)}
    closed = asyncio.run(desk.executor.close(position, "z_cross", None))
    assert closed.close.pnl_usdt == Decimal("0.5") * 10
    assert closed.close.exit_price == 2010


def test_a_stop_that_was_faster_than_the_exit_is_booked_as_a_stop(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.move(BTC, Decimal(82500))
    closed = asyncio.run(desk.executor.close(position, "z_cross", None))
    assert closed.close.exit_reason == "stop_loss"
    assert closed.close.exit_price == 82500
    assert len(tiny.sent("privatePostTradeOrder")) == 1


def test_a_position_that_will_not_close_stays_open_here_and_protected(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.fill_fraction = Decimal(0)
    with pytest.raises(TradingError, match="not flat"):
        asyncio.run(desk.executor.close(position, "z_cross", None))
    assert [record.position.position_id for record in desk.journal.open_positions()] == [position.position_id]
    assert len(tiny.live_algos(BTC)) == 1


def test_an_exit_in_parts_is_one_exit(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.fill_fraction = Decimal("0.8")
    closed = asyncio.run(desk.executor.close(position, "z_cross", None))
    assert tiny.size(BTC) == 0
    exits = [fill for fill in desk.journal.fills(position.position_id) if fill.side is Side.BUY]
    assert len(exits) == 4
    assert sum(fill.contracts for fill in exits) == Decimal("1.25")
    assert closed.close.exit_reason == "z_cross"


def test_an_exit_asks_for_no_more_than_is_there(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.trade_by_hand(BTC, "buy", Decimal("0.25"), "104")
    closed = asyncio.run(desk.executor.close(position, "z_cross", None))
    assert tiny.sent("privatePostTradeOrder")[-1]["sz"] == "1"
    exits = [fill for fill in desk.journal.fills(position.position_id) if fill.side is Side.BUY]
    assert sum(fill.contracts for fill in exits) == Decimal("1.25")
    assert closed.close.exit_reason == "z_cross"


def test_one_late_timestamp_closes_no_position(desk: Desk, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(desk))
    tiny.algos[0]["state"] = "canceled"
    real, refused = tiny._privatePostTradeOrderAlgo, []

    def refuse_once(params: object) -> object:
        if not refused:
            refused.append(params)
            raise ccxt.InvalidNonce('okx {"code":"50102","data":[],"msg":"Timestamp request expired"}')
        return real(params)

    tiny._privatePostTradeOrderAlgo = refuse_once  # type: ignore[method-assign, assignment]
    report = asyncio.run(desk.reconciler.run())
    assert ([p.position_id for p in report.positions], report.stuck) == ([position.position_id], {})
    assert len(tiny.live_algos(BTC)) == len(refused) == 1
