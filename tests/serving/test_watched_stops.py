"""Lost stops are back at the next look, whatever else cannot be done; refused ones are spaced; results come late."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from pairity.errors import OrderUnknownError
from pairity.strategy.types import Exit, ExitReason
from serving.journal import TradingState
from tests.serving.guarding import Guard, look
from tests.serving.tiny_okx import TinyOkx, refuse
from tests.serving.trading import BTC, T0, entry, opened

TRADING, GUARDING = TradingState.TRADING, TradingState.GUARDING
POSITIONS = "privateGetAccountPositions"
FILLS = "privateGetTradeFillsHistory"


def test_a_lost_stop_is_back_at_the_next_look(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.algos[0]["state"] = "canceled"
    look(guard)
    assert len(tiny.live_algos(BTC)) == 1
    assert guard.supervisor.state is TRADING


def test_a_lost_stop_is_back_while_executions_cannot_be_read(guard: Guard, tiny: TinyOkx) -> None:
    """And while the list of positions is empty: a stop only reduces, so placing it needs no second fact."""
    asyncio.run(opened(guard.desk))
    tiny.algos[0]["state"] = "canceled"
    tiny.faults = [(POSITIONS, "no_rows"), *[(FILLS, "html")] * 20]
    look(guard)
    assert guard.supervisor.state is GUARDING
    assert len(tiny.live_algos(BTC)) == 1


def test_refused_stops_and_exits_are_spaced(guard: Guard, tiny: TinyOkx) -> None:
    """A suspended contract whose stop went: the venue takes neither a stop nor an exit, for an hour."""
    asyncio.run(opened(guard.desk))
    real, tiny._privatePostTradeOrder = tiny._privatePostTradeOrder, refuse  # type: ignore[method-assign]
    tiny.algos[0]["state"], tiny.refuse_algos = "canceled", "51280"
    for _ in range(30):
        look(guard, 120)
        assert "exits" in guard.status.causes
    assert guard.status.causes["limits"].startswith("limits.rejects_per_hour: ")
    sent = len(tiny.sent("privatePostTradeOrder")) + len(tiny.sent("privatePostTradeOrderAlgo"))
    assert sent < 80, sent
    tiny._privatePostTradeOrder, tiny.refuse_algos = real, None  # type: ignore[method-assign]
    look(guard, 900)
    assert list(guard.status.causes) == ["limits"]
    look(guard, 3600)
    assert guard.supervisor.state is TRADING
    assert bool(tiny.live_algos(BTC)) == bool(guard.desk.journal.open_positions())


def test_a_contract_that_trades_again_has_its_stop_within_a_minute(guard: Guard, tiny: TinyOkx) -> None:
    """It did not trade for an hour, and the stop went: by then the tries are fifteen minutes apart."""
    asyncio.run(opened(guard.desk))
    real, tiny._privatePostTradeOrder = tiny._privatePostTradeOrder, refuse  # type: ignore[method-assign]
    tiny.algos[0]["state"], tiny.refuse_algos, tiny.states[BTC] = "canceled", "51280", "suspend"
    for _ in range(60):
        look(guard, 60)
    assert ("exits" in guard.status.causes, list(guard.status.blocked)) == (True, [BTC])
    tiny._privatePostTradeOrder, tiny.refuse_algos, tiny.states[BTC] = real, None, "live"  # type: ignore[method-assign]
    for _ in range(4):
        look(guard, 15)
    assert list(guard.status.causes) == ["limits"]  # of refusals in an hour
    assert bool(tiny.live_algos(BTC)) == bool(guard.desk.journal.open_positions())


@pytest.mark.parametrize("factor", [10, Decimal("0.1")])
def test_a_contract_of_another_value_is_taken_over_with_its_position(
    factor: Decimal, guard: Guard, tiny: TinyOkx
) -> None:
    """The venue keeps the coins, changes the contracts and withdraws the stops; then a stop closes all of it."""
    asyncio.run(opened(guard.desk, entry(contracts="10")))
    look(guard)
    tiny.values[BTC] = Decimal("0.01") / factor
    tiny.positions[BTC][0] *= factor
    tiny.algos[0]["state"] = "canceled"
    for _ in range(2):
        look(guard)
    (record,) = guard.desk.journal.open_positions()
    assert record.position.legs[0].contracts == 10 * factor
    assert guard.parts.contracts["BTC"].ct_val == Decimal("0.01") / factor
    assert guard.supervisor.state is TRADING
    assert guard.status.blocked == {}
    look(guard)
    assert max(Decimal(stop["sz"]) for stop in tiny.live_algos(BTC)) >= 10 * factor
    tiny.trade_by_hand(BTC, "buy", 10 * factor)
    look(guard)
    (closed,) = guard.desk.journal.closed_positions()
    assert closed.close is not None
    assert closed.close.exit_reason == "manual"
    assert tiny.live_algos(BTC) == []


def test_a_lost_stop_is_back_before_an_order_in_doubt_is_settled(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.faults = [("privatePostTradeOrder", "timeout"), *[("privateGetTradeOrder", "html")] * 5000]
    other = entry(asset="ETH", reference=2000.0)
    with pytest.raises(OrderUnknownError):
        asyncio.run(guard.desk.executor.open(other, guard.desk.decide(other, at=T0 + timedelta(hours=1))))
    tiny.algos[0]["state"] = "canceled"
    begun = guard.desk.pace.monotonic()
    placed_at: list[float] = []
    real = tiny._privatePostTradeOrderAlgo

    def place(params: object) -> list[dict[str, str]]:
        placed_at.append(guard.desk.pace.monotonic() - begun)
        return real(params)

    tiny._privatePostTradeOrderAlgo = place  # type: ignore[method-assign]
    look(guard)
    assert placed_at[0] < 5
    assert guard.desk.pace.monotonic() - begun > 30
    assert len(tiny.live_algos(BTC)) == 1
    assert list(guard.status.causes) == ["orders"]


def test_a_position_has_its_result_once_executions_can_be_read(guard: Guard, tiny: TinyOkx) -> None:
    """The exit went through, and then the venue's list of executions could not be read for a while."""
    position = asyncio.run(opened(guard.desk))
    exit_ = Exit(position.position_id, ExitReason.Z_CROSS)
    record = guard.desk.decide(exits=(exit_,), at=T0 + timedelta(hours=1))
    tiny.faults = [(FILLS, "html")] * 12
    asyncio.run(guard.desk.executor.close(position, "z_cross", record.decision_id))
    assert tiny.size(BTC) == 0
    for _ in range(6):
        look(guard, 900)
    (closed,) = guard.desk.journal.closed_positions()
    assert closed.close is not None
    assert (closed.close.exit_reason, closed.close.net_usdt is None) == ("z_cross", False)
    assert guard.supervisor.state is TRADING
    assert tiny.live_algos(BTC) == []


def test_a_stop_whose_executions_come_late_has_its_result_with_them(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.move(BTC, Decimal(90_000))
    late, tiny.fills[:] = tiny.fills[-1], tiny.fills[:-1]
    for _ in range(3):
        look(guard)
    tiny.fills.append(late)
    look(guard, 900)
    (closed,) = guard.desk.journal.closed_positions()
    assert closed.close is not None
    assert (closed.close.exit_reason, closed.close.net_usdt is None) == ("stop_loss", False)
    look(guard)
    assert guard.supervisor.state is TRADING
