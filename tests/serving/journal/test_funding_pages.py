"""Funding of a book in the journal: each settlement once, until when all are here, and what nobody knows any more."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from pairity.strategy.types import Side
from serving.books.funding import collect_funding
from serving.execution.okx_bills import KEPT
from serving.execution.venue_records import BillKind
from serving.journal import Fill, Journal
from serving.journal.funding_pages import KnownFunding, Settlement

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
A, B = "A-USDT-SWAP", "B-USDT-SWAP"


@pytest.fixture
def journal(tmp_path):
    opened = Journal.open(tmp_path / "journal.db", scope="test")
    yield opened
    opened.close()


def settle(number, name=A, hours=1, amount="0.1"):
    return Settlement(f"b{number}", name, T0 + hours * HOUR, Decimal(amount))


def test_settlements_are_kept_once_and_to_the_last_digit(journal):
    assert journal.funding.read() == KnownFunding()
    one, two = settle(1, amount="-0.100000000000000001"), settle(2, hours=2)
    journal.funding.record([one], T0 + HOUR)
    journal.funding.record([two, one], T0 + 3 * HOUR)
    assert journal.funding.read() == KnownFunding((one, two), T0 + 3 * HOUR)
    assert journal.funding.read_until() == T0 + 3 * HOUR
    journal.funding.record([], T0 + 9 * HOUR, (T0 + 4 * HOUR, T0 + 5 * HOUR))
    known = journal.funding.read()
    assert known.covers(T0, T0 + 4 * HOUR)
    assert not known.covers(T0, T0 + 4.5 * HOUR)
    assert known.covers(T0 + 5 * HOUR, T0 + 9 * HOUR)
    assert not known.covers(T0 + 5 * HOUR, T0 + 10 * HOUR)


class Venue:
    """Bills of a venue that books an hour late, and what was asked."""

    def __init__(self, *bills):
        self.given, self.asked = bills, []

    async def bills(self, since, until, kind):
        assert kind is BillKind.FUNDING
        self.asked.append((since, until))
        return [one for one in self.given if since <= one.at <= until]


def bill(number, name, hours):
    return SimpleNamespace(bill_id=f"b{number}", instrument=name, at=T0 + hours * HOUR, pnl=Decimal(number))


def trade(journal, at=T0):
    fill = Fill(
        instrument=A,
        trade_id="1",
        order_id="o",
        position_id="A@x",
        client_order_id="c",
        side=Side.BUY,
        contracts=Decimal(1),
        price=Decimal(1),
        fee_usdt=Decimal(0),
        pnl_usdt=Decimal(0),
        at=at,
    )
    journal.record_fills([fill])


def collect(venue, journal, hours):
    return asyncio.run(collect_funding(venue, journal, T0 + hours * HOUR))


def test_only_what_the_book_ever_traded_is_read_and_the_last_hour_again(journal):
    venue = Venue(bill(1, A, 1), bill(2, B, 1), bill(3, A, 8))
    assert collect(venue, journal, 3) == []
    assert venue.asked == []
    trade(journal)
    assert collect(venue, journal, 3) == []
    assert collect(venue, journal, 9) == []
    minute = timedelta(minutes=1)
    assert venue.asked == [(T0, T0 + 3 * HOUR - minute), (T0 + 2 * HOUR - minute, T0 + 9 * HOUR - minute)]
    assert [one.bill_id for one in journal.funding.read().settlements] == ["b1", "b3"]
    assert collect(venue, journal, 9) == []
    assert len(venue.asked) == 2


def test_what_the_venue_keeps_no_more_is_a_gap_that_is_said(journal):
    trade(journal)
    days = KEPT / HOUR + 240
    (problem,) = collect(Venue(), journal, days)
    assert "from 2026-01-01 00:00 to 2026-01-11 01:00 UTC is not known" in problem
    known = journal.funding.read()
    assert not known.covers(T0, T0 + HOUR)
    assert known.covers(T0 + 242 * HOUR, T0 + 300 * HOUR)
    assert collect(Venue(), journal, days + 1) == []


@pytest.mark.parametrize("late_h", [9, 23, 60, 160])
def test_a_bill_that_came_days_late_is_journalled_on_the_next_day(journal, late_h):
    venue = Venue()
    trade(journal)
    days_on = -(-(late_h + 1) // 24)
    for hour in range(1, 24 * days_on + 2):
        if hour == late_h:
            venue.given = (bill(1, A, 8),)
        assert collect(venue, journal, hour) == []
    assert [one.bill_id for one in journal.funding.read().settlements] == ["b1"]
    # A day costs one longer look; the others go an hour back.
    long = [since for since, until in venue.asked if until - since > 3 * HOUR]
    assert len(long) == days_on


def test_a_daily_look_goes_back_a_week_and_no_further(journal):
    venue = Venue()
    trade(journal)
    collect(venue, journal, 24 * 20)
    collect(venue, journal, 24 * 21)
    assert venue.asked[-1][0] == T0 + (24 * 20 - 7 * 24) * HOUR - timedelta(minutes=1)


@pytest.mark.parametrize("away_h", [24, 24 * 80, 24 * 85, int(KEPT / HOUR) - 3])
def test_a_longer_look_makes_no_gap_of_what_was_read_before(journal, away_h):
    venue = Venue(bill(1, A, 1))
    trade(journal)
    collect(venue, journal, 24 * 10)
    assert collect(venue, journal, 24 * 10 + away_h) == []
    assert journal.funding.read().gaps == ()
    assert journal.funding.read().covers(T0, T0 + 24 * 10 * HOUR)
    now = T0 + (24 * 10 + away_h) * HOUR
    assert venue.asked[-1][0] >= now - KEPT  # nothing is asked for that the venue keeps no more
