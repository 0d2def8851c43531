"""Limits at work: what is beyond one opens nothing, what halts waits for a person, and exits go on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from pairity.layout import Layout
from pairity.trading_settings import LimitSettings
from serving.control.queue import Request, RequestQueue
from serving.journal import TradingState
from serving.journal.event_records import Wish
from tests.serving.guarding import Guard
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, T0, entry, opened

TRADING, GUARDING, HALTED = TradingState.TRADING, TradingState.GUARDING, TradingState.HALTED


def measure(guard: Guard, minutes: float = 60) -> TradingState:
    guard.tiny.now_ms += int(minutes * 60_000)
    asyncio.run(guard.watch.limiter.measure())
    return guard.supervisor.state


def refusal(guard: Guard, contracts: str = "1.25") -> str | None:
    return asyncio.run(guard.watch.limiter.find_refusal(entry(contracts=contracts)))


def resume(guard: Guard) -> None:
    RequestQueue(Layout(guard.home)).put(Request(wish=Wish.RESUME, at=T0, reason="seen"))
    guard.tiny.now_ms += 1000
    asyncio.run(guard.watch.look(deciding=True))


def test_a_loss_of_the_day_stops_entries_until_the_day_is_over(guard: Guard, tiny: TinyOkx) -> None:
    assert measure(guard) is TRADING
    tiny.lose_to(Decimal(9_400))
    assert measure(guard) is GUARDING
    assert guard.status.causes["limits"] == "limits.day_loss: 6.00% lost today, the limit is 5.00%"
    assert measure(guard, 24 * 60) is TRADING


def test_money_paid_out_is_no_loss(guard: Guard, tiny: TinyOkx) -> None:
    measure(guard)
    tiny.now_ms += 60_000
    tiny.pay(Decimal(-9_000))
    assert measure(guard) is TRADING
    tiny.lose_to(Decimal(940))
    assert measure(guard) is GUARDING


def test_a_drawdown_halts_until_a_person_resumes_and_then_counts_anew(guard: Guard, tiny: TinyOkx) -> None:
    measure(guard)
    tiny.lose_to(Decimal(7_900))
    assert measure(guard) is HALTED
    assert guard.status.trading_reason.startswith("limits.drawdown: 21.00% below the peak")
    assert measure(guard) is HALTED
    resume(guard)
    assert measure(guard, 24 * 60) is TRADING
    tiny.lose_to(Decimal(7_600))
    assert measure(guard) is TRADING
    tiny.lose_to(Decimal(6_200))
    assert measure(guard) is HALTED


def test_a_halt_for_a_drawdown_survives_a_restart(guard: Guard, tiny: TinyOkx) -> None:
    measure(guard)
    tiny.lose_to(Decimal(7_900))
    assert measure(guard) is HALTED
    again = guard.restarted()
    assert again.supervisor.state is HALTED
    again.desk.journal.close()


def test_little_margin_stops_entries_and_the_watch_sees_it(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.margin_ratio = "2.5"
    asyncio.run(guard.watch.look())
    assert guard.status.causes["limits"].startswith("limits.margin_ratio: 2.50 times")
    tiny.margin_ratio = "8"
    tiny.now_ms += 60_000
    asyncio.run(guard.watch.look())
    assert guard.supervisor.state is GUARDING  # measured every few minutes
    tiny.now_ms += int(timedelta(minutes=5).total_seconds()) * 1000
    asyncio.run(guard.watch.look())
    assert guard.supervisor.state is TRADING


def test_a_price_that_ran_away_or_an_odd_funding_rate_is_not_entered(guard: Guard, tiny: TinyOkx) -> None:
    assert refusal(guard) is None
    tiny.prices[BTC] = Decimal(88_001)
    said = refusal(guard)
    assert said is not None
    assert said.startswith("limits.price_deviation: BTC is marked 10.001% off")
    tiny.prices[BTC] = Decimal(80_000)
    tiny.funding_rate = "-0.03"
    said = refusal(guard)
    assert said is not None
    assert said.startswith("limits.funding_rate: -0.03")
    tiny.funding_rate = ""  # not said: a new contract
    assert refusal(guard) is None


def test_entries_of_one_decision_count_together(guard: Guard) -> None:
    """18.75 contracts are 15,000 USDT: two of them are three times the equity, a third is too much."""
    assert [refusal(guard, "18.75") for _ in range(2)] == [None, None]
    said = refusal(guard)
    assert said is not None
    assert said.startswith("limits.gross_leverage: 31,000.00 USDT with this entry at an equity of 10,000.00")


def test_an_entry_that_has_begun_is_not_measured_again(guard: Guard, tiny: TinyOkx) -> None:
    position = asyncio.run(opened(guard.desk))
    tiny.prices[BTC] = Decimal(200_000)
    assert guard.desk.journal.intents(position.position_id)
    assert refusal(guard) is None


def test_limits_can_be_set(guard: Guard, tiny: TinyOkx) -> None:
    strict = guard.parts.settings.model_copy(update={"limits": LimitSettings(position_usdt=900, day_loss=0.001)})
    object.__setattr__(guard.parts, "settings", strict)
    said = refusal(guard)
    assert said is not None
    assert said.startswith("limits.position_usdt: 1,000.00 USDT of BTC")
    tiny.lose_to(Decimal(9_980))
    assert measure(guard, 1) is GUARDING


def test_one_wrong_balance_neither_halts_nor_stays_as_the_peak(guard: Guard, tiny: TinyOkx) -> None:
    tiny.pay(Decimal(10))
    measure(guard)
    for wrong in (Decimal(2_000), Decimal(0), Decimal(90_000)):
        tiny.shown_equity = wrong
        assert measure(guard, 1) is GUARDING
        assert guard.status.causes["equity"].startswith(f"the balance shows an equity of {wrong:.2f} USDT, the newest")
        assert refusal(guard) is not None
        tiny.shown_equity = None
        assert measure(guard, 1) is TRADING
        assert refusal(guard) is None


def test_a_wrong_balance_as_the_first_of_a_day_does_not_blind_the_loss_of_the_day(guard: Guard, tiny: TinyOkx) -> None:
    tiny.pay(Decimal(10))
    measure(guard)
    tiny.shown_equity = Decimal(0)
    assert measure(guard, 24 * 60) is GUARDING
    tiny.shown_equity = None
    assert measure(guard, 1) is TRADING
    tiny.lose_to(Decimal(9_400))
    assert measure(guard, 60) is GUARDING
    assert guard.status.causes["limits"].startswith("limits.day_loss: 6.09% lost today")


def test_a_lag_of_a_second_between_balance_and_bills_is_waited_for(guard: Guard, tiny: TinyOkx) -> None:
    tiny.pay(Decimal(10))
    measure(guard)
    late = tiny.bills
    tiny.bills = list(late)
    tiny.pay(Decimal(5_000))
    tiny.bills, newest = late, tiny.bills
    arrives = tiny.now_ms + 60_000 + 1_500

    def bills(params):
        if tiny.now_ms > arrives:
            tiny.bills = newest
        return TinyOkx._privateGetAccountBills(tiny, params)

    tiny._privateGetAccountBills = bills  # type: ignore[method-assign]
    assert measure(guard, 1) is TRADING


def test_an_equity_that_stays_is_believed_unless_it_is_none(guard: Guard, tiny: TinyOkx) -> None:
    """Something the venue counts as equity, and shows in neither bills nor positions: a trading bot's money."""
    tiny.pay(Decimal(10))
    measure(guard)
    tiny.shown_equity = Decimal(12_000)
    assert measure(guard) is GUARDING
    assert measure(guard, 5) is GUARDING
    assert measure(guard, 6) is TRADING
    assert measure(guard, 60) is TRADING
    tiny.shown_equity = Decimal(0)
    assert [measure(guard, minutes) for minutes in (1, 30, 60)] == [GUARDING] * 3
    tiny.shown_equity = Decimal(12_100)
    assert measure(guard) is TRADING


def test_without_any_bill_the_mark_before_is_the_second_fact(guard: Guard, tiny: TinyOkx) -> None:
    assert measure(guard) is TRADING
    assert tiny.bills == []
    tiny.shown_equity = Decimal(1_000)
    assert measure(guard) is GUARDING
    tiny.shown_equity = None
    assert measure(guard) is TRADING


def test_an_account_without_history_that_shows_no_equity_is_not_traded_on(guard: Guard, tiny: TinyOkx) -> None:
    tiny.shown_equity = Decimal(0)
    assert measure(guard) is GUARDING
    assert refusal(guard) == "the balance shows an equity of 0 USDT"
    tiny.shown_equity = None
    assert measure(guard) is TRADING


def test_what_open_positions_earn_counts_and_isolated_margin_too(guard: Guard, tiny: TinyOkx) -> None:
    tiny.pay(Decimal(10))
    rows = [
        {"instId": BTC, "posSide": "net", "pos": "3", "avgPx": "80000", "markPx": "90000", "upl": "3000"},
        {
            "instId": "BTC-USD-SWAP",
            "posSide": "net",
            "pos": "0.01",
            "avgPx": "80000",
            "markPx": "90000",
            "upl": "70000",
        },
        {"instId": "SOL-USDT-SWAP", "posSide": "net", "pos": "3", "avgPx": "100", "upl": "-10", "margin": "500"}
        | {"mgnMode": "isolated"},
    ]
    tiny._privateGetAccountPositions = lambda _: rows  # type: ignore[method-assign]
    tiny.shown_equity = Decimal(13_500)
    assert measure(guard) is TRADING


@pytest.mark.parametrize("name", ["privateGetAccountBills", "privateGetAccountPositions"])
def test_a_second_fact_that_cannot_be_read_stops_entries_and_no_decision(
    guard: Guard, tiny: TinyOkx, name: str
) -> None:
    """Exits are decided on the balance all the same: a list of bills that is down must not hold them up."""
    tiny.pay(Decimal(10))
    measure(guard)
    tiny.faults = [(name, "html")] * 30
    tiny.now_ms += 60_000
    assert asyncio.run(guard.watch.limiter.measure()).equity == 10_010
    assert guard.supervisor.state is GUARDING
    assert "not confirmed" in guard.status.causes["equity"]
    assert refusal(guard) is not None
    tiny.faults.clear()
    assert measure(guard, 1) is TRADING
    assert refusal(guard) is None
