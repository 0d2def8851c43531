"""What limits look at, as the journal and a paper exchange's bills give it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.timeline import DAY, HOUR, to_ms
from serving.execution.venue_records import Balance, BillKind, VenueBill, VenuePosition
from serving.journal import EquityMark, Journal
from serving.limits.measuring import mark_equity, measure_account
from tests.examples import examples
from tests.serving.trading import BTC, SPECS, opened

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)


class Statements:
    """A venue that has bills of transfers, and nothing else."""

    def __init__(self) -> None:
        self.transfers: list[VenueBill] = []

    def pay(self, at: datetime, amount: Decimal, currency: str = "USDT") -> None:
        self.transfers.append(
            VenueBill(
                bill_id=str(len(self.transfers)),
                at=at,
                kind=BillKind.TRANSFER,
                code="1/11",
                instrument="",
                currency=currency,
                change=amount,
                balance=Decimal(0),
                fee=Decimal(0),
                pnl=Decimal(0),
                order_id="",
                client_order_id="",
                trade_id="",
            )
        )

    async def bills(self, since: datetime, until: datetime, kind: BillKind | None = None) -> list[VenueBill]:
        assert kind is BillKind.TRANSFER
        return [bill for bill in self.transfers if to_ms(since) <= to_ms(bill.at) <= to_ms(until)]


def mark(venue, journal, at, equity):
    return asyncio.run(mark_equity(venue, journal, Balance("USDT", Decimal(equity), Decimal(equity)), at))


def measure(journal, newest):
    return measure_account(journal, newest, (), SPECS, None)


def test_losses_are_counted_since_midnight_and_falls_from_the_peak(journal):
    venue = Statements()
    for at, equity in ((MIDNIGHT - HOUR, 12_000), (MIDNIGHT, 11_000), (MIDNIGHT + HOUR, 11_500)):
        mark(venue, journal, at, equity)
    measured = measure(journal, mark(venue, journal, MIDNIGHT + 2 * HOUR, 10_000))
    assert (measured.equity, measured.day_start, measured.peak) == (10_000, 11_000, 12_000)


def test_what_is_paid_in_or_out_is_neither_gain_nor_loss(journal):
    venue = Statements()
    mark(venue, journal, MIDNIGHT, 10_000)
    venue.pay(MIDNIGHT + HOUR / 2, Decimal(-6_000))
    venue.pay(MIDNIGHT + HOUR / 2, Decimal(3), "BTC")
    measured = measure(journal, mark(venue, journal, MIDNIGHT + HOUR, 3_800))
    assert (measured.day_start, measured.peak) == (4_000, 4_000)  # 200 of 4,000 are lost
    venue.pay(MIDNIGHT + 1.5 * HOUR, Decimal(20_000))
    measured = measure(journal, mark(venue, journal, MIDNIGHT + 2 * HOUR, 23_900))
    assert (measured.day_start, measured.peak) == (24_000, 24_000)


def test_a_mark_is_written_once_and_its_own_millisecond_counts_once(journal):
    venue = Statements()
    first = mark(venue, journal, MIDNIGHT, 10_000)
    venue.pay(MIDNIGHT, Decimal(500))  # booked before the mark read the balance
    assert mark(venue, journal, MIDNIGHT, 9_000) == first
    assert mark(venue, journal, MIDNIGHT - HOUR, 9_000) == first
    assert mark(venue, journal, MIDNIGHT + HOUR, 10_000).paid_in_usdt == 0


def test_bills_are_read_only_where_there_is_one_since_the_mark_before(journal):
    """The newest bill says whether there is any; what is paid after it was asked for counts at the next mark."""
    venue, asked = Statements(), []
    plain = venue.bills

    async def bills(since, until, kind=None):
        asked.append((since, until))
        return await plain(since, until, kind)

    venue.bills = bills

    def mark_with(newest, at, equity):
        return asyncio.run(mark_equity(venue, journal, Balance("USDT", Decimal(equity), Decimal(equity)), at, newest))

    mark_with(None, MIDNIGHT, 10_000)
    venue.pay(MIDNIGHT - HOUR, Decimal(10_000))
    old = venue.transfers[-1]
    for newest, hour in ((old, 1), (replace(old, at=MIDNIGHT), 2)):
        assert mark_with(newest, MIDNIGHT + hour * HOUR, 10_000).paid_in_usdt == 0
    assert asked == []
    # Nothing is known without one, and a younger one may be a payment: both are asked about.
    assert mark_with(None, MIDNIGHT + 3 * HOUR, 10_000).paid_in_usdt == 0
    venue.pay(MIDNIGHT + 3.5 * HOUR, Decimal(500))
    assert mark_with(venue.transfers[-1], MIDNIGHT + 4 * HOUR, 10_500).paid_in_usdt == 500
    # Between the question and the mark's being written: the question's instant is the mark's, so that it counts now.
    venue.pay(MIDNIGHT + 5 * HOUR + timedelta(milliseconds=3), Decimal(70))
    assert mark_with(venue.transfers[-2], MIDNIGHT + 5 * HOUR, 10_500).paid_in_usdt == 500
    assert mark_with(venue.transfers[-1], MIDNIGHT + 6 * HOUR, 10_570).paid_in_usdt == 570
    assert len(asked) == 3
    assert (journal.equity.last().peak_usdt, journal.equity.last().earned_usdt) == (10_000, 10_000)


STEPS = st.lists(st.tuples(st.integers(-500, 500), st.integers(-2_000, 2_000)), min_size=1, max_size=30)


@given(steps=STEPS)
@settings(max_examples=examples(50))
def test_payments_move_no_measure_relative_to_the_equity(tmp_path_factory, steps):
    """The oracle keeps every step's gain alone; payments come and go between two marks."""
    journal = Journal.open(tmp_path_factory.mktemp("marks") / "journal.db")
    venue, equity, gains = Statements(), 100_000, [0]
    newest = mark(venue, journal, MIDNIGHT - 3 * HOUR, equity)
    for number, (gain, payment) in enumerate(steps):
        at = MIDNIGHT + (number - 2) * HOUR
        venue.pay(at - HOUR / 2, Decimal(payment))
        equity += gain + payment
        gains.append(gains[-1] + gain)
        newest = mark(venue, journal, at, equity)
    measured = measure(journal, newest)
    today = [at for at in range(len(gains)) if MIDNIGHT + (at - 3) * HOUR >= MIDNIGHT + ((len(gains) - 4) // 24) * DAY]
    journal.close()
    assert measured.equity == equity
    assert measured.peak - measured.equity == max(gains) - gains[-1]
    if len(gains) > 3:
        assert measured.day_start - measured.equity == gains[today[0]] - gains[-1]


def test_orders_refusals_and_positions_are_counted(desk):
    position = asyncio.run(opened(desk))
    newest = EquityMark(desk.orders.clock.now() + timedelta(seconds=1), Decimal(10_000), Decimal(0), Decimal(10_000))
    there = VenuePosition(
        instrument=BTC,
        contracts=Decimal("-1.25"),
        average_price=Decimal(80_000),
        mark_price=Decimal(82_000),
        unrealised_pnl_usdt=None,
    )
    held = [there, replace(there, instrument="NEW-USDT-SWAP", mark_price=None)]
    measured = measure_account(desk.journal, newest, held, SPECS, Decimal(7))
    assert measured.gross_notional == Decimal(1_025) + Decimal(100_000)
    sent = [
        event
        for intent in desk.journal.intents(position.position_id)
        for event in desk.journal.events(intent.client_order_id)
        if event.state == "sent"
    ]
    assert measured.orders_last_hour == len(sent) > 0
    assert measured.rejects_last_hour == 0
    later = replace(newest, at=newest.at + 2 * HOUR)
    assert measure_account(desk.journal, later, held, SPECS, None).orders_last_hour == 0


def test_an_older_journal_gets_the_marks(tmp_path):
    path = tmp_path / "journal.db"
    first = Journal.open(path)
    with first._begin() as database:
        database.exec_driver_sql("DROP TABLE equity_marks")
        database.exec_driver_sql("UPDATE meta SET value = '3' WHERE key = 'schema_version'")
    first.close()
    again = Journal.open(path)
    assert again.equity.last() is None
    again.close()


@pytest.mark.parametrize("instant", [MIDNIGHT, MIDNIGHT + HOUR])
def test_marks_come_back_as_they_were_written(journal, instant):
    mark_ = EquityMark(instant, Decimal("10000.123456789"), Decimal("-0.5"), Decimal("10001"))
    journal.equity.record(mark_)
    assert (journal.equity.last(), journal.equity.first_since(instant)) == (mark_, mark_)
    assert journal.equity.first_since(instant + HOUR) is None
