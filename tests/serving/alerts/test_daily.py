"""The daily message, and what is planned over restarts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from pairity.alert_settings import AlertSettings, DestinationSettings
from pairity.strategy.types import Leg, PairPosition, Side
from pairity.universe import Pair
from serving.alerts.daily import describe_day
from serving.alerts.planner import Planner
from serving.journal import EquityMark, Journal, PositionClose
from serving.journal.event_records import NewEvent, Severity
from serving.status import Status

NOW = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.open(tmp_path / "journal.db", scope="test")
    yield made
    made.close()


def mark(at: datetime, equity: str, paid_in: str = "0") -> EquityMark:
    return EquityMark(at, Decimal(equity), Decimal(paid_in), Decimal(equity))


def position_of(name: str) -> PairPosition:
    leg = Leg("BTC", Side.BUY, Decimal(1), 80_000.0)
    return PairPosition(name, Pair("BTC", "ETH"), 1, (leg,), NOW - timedelta(days=3), -1.5, 1.0, -1.5)


def status(trading: str = "trading", reason: str = "") -> Status:
    return Status("paper", "tiny", {}, trading=trading, trading_reason=reason)


def planner_of(journal: Journal, **changes: object) -> Planner:
    settings = AlertSettings(
        destinations=(DestinationSettings(name="desk"), DestinationSettings(name="boss", severity="critical")),
        urls={name: SecretStr("http://127.0.0.1:1/hook") for name in ("desk", "boss")},
        escalate_to=("boss",),
        **changes,  # type: ignore[arg-type]
    )
    return Planner(journal, settings, lambda: (Severity.INFO, "I am well"))


def queued(journal: Journal, name: str) -> list[str]:
    return [message.text for message in journal.deliveries.all(name)]


def test_yesterday_has_its_result_without_transfers(journal: Journal) -> None:
    journal.equity.record(mark(NOW - timedelta(hours=31), "1000"))
    journal.equity.record(mark(NOW - timedelta(hours=20), "900"))
    journal.equity.record(mark(NOW - timedelta(hours=7), "1512.5", "500"))
    for place, (hours, pnl) in enumerate([(20, "15"), (12, "-2.5"), (40, "100"), (2, "100")]):
        position = position_of(f"p{place}@{place}")
        journal.save_position(position)
        nothing = Decimal(0)
        end = PositionClose(NOW - timedelta(hours=hours), "z_cross", Decimal(1), Decimal(pnl), nothing, nothing)
        journal.close_position(position.position_id, end)
    severity, text = describe_day(journal, status(), NOW, None)
    assert severity is Severity.INFO
    assert text == (
        "I am well: trading; yesterday (2026-03-01): +12.50 USDT (+1.25%), 2 closed, 1 of them won; "
        "now: equity 1512.50 USDT, 0 open, 0 warnings unacknowledged"
    )


def test_what_is_not_known_is_not_said(journal: Journal) -> None:
    _, text = describe_day(journal, status(), NOW, None)
    assert "its result is not known, 0 closed" in text
    assert "equity" not in text


@pytest.mark.parametrize(
    ("shown", "unwatched"),
    [
        (status("halted", "drawdown"), None),
        (status("guarding", "venue"), None),
        (status(), "the venue was last seen 500 s ago"),
    ],
)
def test_who_is_not_well_does_not_say_so(shown: Status, unwatched: str | None, journal: Journal) -> None:
    severity, text = describe_day(journal, shown, NOW, unwatched)
    assert severity is Severity.WARNING
    assert text.startswith("I am NOT well")
    assert (unwatched or shown.trading_reason) in text


def test_the_daily_message_goes_out_once_a_day_over_restarts(journal: Journal) -> None:
    for hour in range(5, 40):
        planner_of(journal).plan(datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hour))
    assert queued(journal, "desk") == ["I am well"] * 2
    assert queued(journal, "boss") == ["I am well"] * 2


def test_a_process_that_starts_in_the_evening_says_nothing_of_the_morning(journal: Journal) -> None:
    planner_of(journal).plan(NOW.replace(hour=20))
    assert queued(journal, "desk") == []
    planner_of(journal).plan(NOW.replace(hour=8) + timedelta(days=1))
    assert len(queued(journal, "desk")) == 1


def test_a_critical_event_reaches_whoever_is_next_until_it_is_acknowledged(journal: Journal) -> None:
    planner_of(journal, daily_at=None).plan(NOW)
    halted = NewEvent(at=NOW, kind="state", severity=Severity.CRITICAL, text="halted: drawdown", ref="halted")
    journal.event_log.record([halted], NOW)
    for minute in range(0, 120, 5):
        planner_of(journal, daily_at=None).plan(NOW + timedelta(minutes=minute))
    assert queued(journal, "desk") == ["halted: drawdown"]
    assert [text.partition(";")[0] for text in queued(journal, "boss")] == [
        "halted: drawdown",
        "nobody has acknowledged 1 critical event for 15 min",
        "nobody has acknowledged 1 critical event for 45 min",
        "nobody has acknowledged 1 critical event for 105 min",
    ]
    journal.event_log.acknowledge(None, NOW, "page")
    for minute in range(120, 1000, 5):
        planner_of(journal, daily_at=None).plan(NOW + timedelta(minutes=minute))
    assert len(queued(journal, "boss")) == 4


def test_old_events_are_not_told_to_a_process_that_was_down_for_days(journal: Journal) -> None:
    planner_of(journal, daily_at=None).plan(NOW)
    for days in (0, 3):
        event = NewEvent(at=NOW, kind="test", severity=Severity.WARNING, text=f"after {days} days")
        journal.event_log.record([event], NOW + timedelta(days=days))
    planner_of(journal, daily_at=None).plan(NOW + timedelta(days=3, hours=1))
    assert queued(journal, "desk") == ["after 3 days"]
