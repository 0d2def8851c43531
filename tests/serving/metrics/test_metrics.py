"""What `/metrics` says: counted while the process works, read off at the scrape, and never a zero for the unknown."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.errors import VenueUnreachableError
from pairity.trading_settings import LimitSettings
from serving.journal import IntentState, Purpose
from serving.limits.account_limits import check_account, find_used
from serving.limits.records import AccountMeasures
from serving.metrics import Metrics, counting_requests
from serving.metrics.reasons import KINDS, OTHER, name_kind
from tests.serving.guarding import Guard
from tests.serving.metrics.scraping import readings_of, scrape, scrape_guard, value
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import T0, entry, exit_of, opened
from venue.request_reports import OUTCOMES, Outcome, VenueRequest, explain_failure, read_outcome, report_request


def test_nothing_is_claimed_of_what_is_not_known(guard: Guard) -> None:
    found = scrape_guard(guard)
    names = {name for name, _ in found}
    unknown = {
        "pairity_equity_usdt",
        "pairity_available_usdt",
        "pairity_data_age_seconds",
        "pairity_watch_age_seconds",
        "pairity_clock_skew_seconds",
        "pairity_drift_share",
        "pairity_parity_values",
        "pairity_parity_different_values",
        "pairity_parity_checked_timestamp_seconds",
        "pairity_parity_blocks_promotion",
        "pairity_reconciliation_differences",
        "pairity_limit_used_fraction",
        "pairity_stream_open",
        "pairity_log_lines_lost",
    }
    assert names & unknown == set()
    assert value(found, "pairity_cycles_total") == 0
    assert value(found, "pairity_trading_state") == 0
    assert value(found, "pairity_positions") == 0


def test_a_look_tells_what_it_measured_and_an_outage_takes_it_back(guard: Guard, tiny: TinyOkx) -> None:
    asyncio.run(opened(guard.desk))
    tiny.now_ms += 15_000
    asyncio.run(guard.watch.look())
    tiny.now_ms += 40_000
    found = scrape_guard(guard)
    assert value(found, "pairity_watch_age_seconds") == pytest.approx(40, abs=1)
    assert value(found, "pairity_reconciliation_differences") == 0
    assert value(found, "pairity_look_seconds_count") == 1
    assert value(found, "pairity_limit_used_fraction", limit="gross_leverage") > 0
    tiny.faults = [("*", "reset_before")] * 12
    asyncio.run(guard.watch.look())
    found = scrape_guard(guard)
    assert value(found, "pairity_trading_state") == 1
    assert value(found, "pairity_guarding_causes") == 1
    assert value(found, "pairity_reconciliation_differences") is None
    assert value(found, "pairity_limit_used_fraction", limit="gross_leverage") is None


def test_orders_are_counted_by_purpose_and_end_and_a_restart_changes_nothing(guard: Guard) -> None:
    async def trade() -> None:
        position = await opened(guard.desk)
        decided = guard.desk.decide(exits=exit_of(position), at=T0 + timedelta(hours=1))
        await guard.desk.executor.close(position, "test", decided.decision_id)

    asyncio.run(trade())
    before = scrape_guard(guard)
    assert value(before, "pairity_orders_total", purpose="entry", end="filled") == 1
    assert value(before, "pairity_orders_total", purpose="exit", end="filled") == 1
    again = guard.restarted()
    try:
        after = scrape_guard(again)
    finally:
        again.desk.journal.close()
    orders = {key: count for key, count in before.items() if key[0] == "pairity_orders_total"}
    assert orders == {key: count for key, count in after.items() if key[0] == "pairity_orders_total"}
    assert len(orders) == len(Purpose) * sum(state.final for state in IntentState)


def test_a_journal_that_cannot_be_read_leaves_orders_out(guard: Guard) -> None:
    (guard.home / "other.db").write_bytes(b"no database, but long enough to look at" * 20)
    readings = readings_of(guard, journal=guard.home / "other.db", pulse_age_s=lambda: 3.0)
    found = scrape(guard.parts.metrics, readings)
    assert not [name for name, _ in found if name.startswith("pairity_orders")]
    assert value(found, "pairity_pulse_age_seconds") == 3


def test_a_clock_that_fails_leaves_ages_out(guard: Guard) -> None:
    def fail() -> Any:
        raise VenueUnreachableError("no time", "")

    guard.status.watched = T0.isoformat()
    found = scrape(guard.parts.metrics, readings_of(guard, now=fail))
    assert value(found, "pairity_watch_age_seconds") is None
    assert value(found, "pairity_positions") == 0


def test_steps_are_observed_once_each() -> None:
    metrics = Metrics()
    metrics.observe_steps({"decide": 0.5, "reconcile": 0.1})
    metrics.observe_steps({"decide": 0.75, "reconcile": 0.1})
    assert metrics.registry.get_sample_value("pairity_step_seconds_count", {"step": "decide"}) == 2
    assert metrics.registry.get_sample_value("pairity_step_seconds_sum", {"step": "decide"}) == 0.75
    assert metrics.registry.get_sample_value("pairity_step_seconds_count", {"step": "reconcile"}) == 1


def test_decisions_and_reasons_are_counted() -> None:
    from tests.serving.trading import decision_of

    metrics = Metrics()
    metrics.count_decision(decision_of(entry()))
    metrics.count_skipped()
    metrics.count_refused_entry("limits.day_loss: 5.2% lost today, the limit is 5.00%")
    sample = metrics.registry.get_sample_value
    assert sample("pairity_decisions_total", {"action": "open"}) == 1
    assert sample("pairity_decisions_total", {"action": "skipped"}) == 1
    assert sample("pairity_decisions_total", {"action": "close"}) == 0
    assert sample("pairity_refused_entries_total", {"reason": "limit day_loss"}) == 1


def test_a_metric_that_fails_is_counted_and_goes_no_further() -> None:
    metrics = Metrics()
    metrics.count_decision(None)  # type: ignore[arg-type]
    metrics.observe_steps({"decide": "much"})  # type: ignore[dict-item]
    assert metrics.registry.get_sample_value("pairity_metric_failures_total") == 2


@given(st.text(max_size=60))
def test_a_reason_is_one_of_few_kinds(text: str) -> None:
    assert name_kind(text) in KINDS or name_kind(text).startswith("limit ")


def test_every_reason_of_the_strategy_has_a_kind() -> None:
    reasons = (
        "no features online", "stale: features are 3 h old", "infinite: spread", "z-score unknown",
        "probability unknown", "|z| not above 1.0", "probability not above 0.5", "hedge ratio unknown",
        "hedge ratio -1 not positive", "no contract known for BTC", "no price known for BTC", "funding of BTC unknown",
        "funding of BTC 0.01 above 0.0005 for a long", "already held", "correlation of BTC with held ETH unknown",
        "|correlation| of BTC with held ETH 0.90 above 0.85", "BTC already held by BTC__ETH@20250318T1700Z",
        "position below the minimum size", "a leg below the minimum size", "no whole lots within 5% of the hedge ratio",
        "champion version 3 cannot be used", "guarding: venue: nothing answers", "halted: a person asked",
    )  # fmt: skip
    assert [reason for reason in reasons if name_kind(reason) == OTHER] == []
    assert name_kind("guarding: limits: limits.day_loss: 6% lost today") == "limit day_loss"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"code":"0","data":[{"sCode":"51008"}],"msg":""}', "ok"),
        (200, b'{"data":[],"msg":"","code":"51008"}', "refused"),
        (200, b'{"code":"1","data":[{"sCode":"51008"}]}', "refused"),
        (200, b'{"code":"50011","msg":"Too Many Requests"}', "throttled"),
        (429, b"<html>", "throttled"),
        (200, b'{"code":"50004"}', "failed"),
        (503, b"", "failed"),
        (401, b'{"code":"50113"}', "refused"),
        (200, b"<html>maintenance</html>", "unreadable"),
        (200, b"", "unreadable"),
        (200, b'{"data":[' + b"1," * 900 + b'2],"code":"51000"}', "refused"),
    ],
)
def test_an_answer_has_an_outcome(status: int, body: bytes, kind: str) -> None:
    assert read_outcome(status, body).kind == kind
    assert kind in OUTCOMES


def test_requests_are_counted_only_while_somebody_counts() -> None:
    metrics = Metrics()
    report_request("GET", "/api/v5/public/time", Outcome("ok", ""), 0.0)
    with counting_requests(metrics):
        report_request("POST", "/api/v5/trade/order", Outcome("timeout", ""), 0.0)
    report_request("POST", "/api/v5/trade/order", Outcome("timeout", ""), 0.0)
    sample = metrics.registry.get_sample_value
    assert sample("pairity_venue_requests_total", {"method": "POST", "outcome": "timeout"}) == 1
    assert sample("pairity_venue_requests_total", {"method": "GET", "outcome": "ok"}) == 0
    assert sample("pairity_venue_request_seconds_count", {"method": "POST"}) == 1


def test_no_answer_has_an_outcome_too() -> None:
    assert explain_failure(TimeoutError()).kind == "timeout"
    assert explain_failure(asyncio.CancelledError()).kind == "cancelled"
    assert str(explain_failure(ConnectionResetError("secret"))) == "unreachable (ConnectionResetError)"
    assert VenueRequest("GET", "/a", Outcome("ok", ""), 0.1).path == "/a"


fractions = st.decimals(min_value="0.01", max_value="3", places=4)


@given(fractions, fractions, st.decimals(min_value="0", max_value="9", places=4), st.integers(0, 100), fractions)
def test_a_limit_is_used_up_exactly_where_it_is_exceeded(
    equity: Any, fallen: Any, leverage: Any, orders: int, margin: Any
) -> None:
    measured = AccountMeasures(
        at=T0,
        equity=equity * 100,
        day_start=equity * 100 * (1 + fallen),
        peak=equity * 100 * (1 + 2 * fallen),
        gross_notional=equity * 100 * leverage,
        orders_last_hour=orders,
        rejects_last_hour=orders // 7,
        margin_ratio=margin + 1,
    )
    exceeded = {breach.limit.removeprefix("limits.") for breach in check_account(measured, LimitSettings())}
    used = find_used(measured, LimitSettings())
    for name, part in used.items():
        if abs(part - 1) > 1e-9:  # at the limit itself the two may round apart
            assert (part > 1) == (name in exceeded), name
