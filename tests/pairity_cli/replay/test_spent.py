"""Where the time of a replay went."""

from __future__ import annotations

import logging
import time

from pairity_cli.replay.spent import Spent
from venue.request_reports import Outcome, report_request


def test_requests_are_counted_by_path_while_they_are_timed(caplog):
    caplog.set_level(logging.INFO, "pairity.venue")  # as the trading process sets it
    spent, ok = Spent(), Outcome("ok", "")
    report_request("GET", "/api/v5/account/balance", ok, time.perf_counter())
    with spent.timing_requests():
        for _ in range(3):
            report_request("GET", "/api/v5/account/balance", ok, time.perf_counter() - 2.0)
        report_request("POST", "/api/v5/trade/order", Outcome("failed", "503"), time.perf_counter() - 1.0)
    report_request("GET", "/api/v5/account/balance", ok, time.perf_counter())
    assert spent.requests == {"GET account/balance": 3, "POST trade/order": 1}
    assert 6.0 <= spent.wire_s["GET account/balance"] < 7.0
    with spent.part("trading"):
        time.sleep(0.01)
    assert spent.seconds["trading"] >= 0.01
