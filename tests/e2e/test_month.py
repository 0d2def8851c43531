"""A month of recorded minutes, hour by hour through `pairity serve`: two legs, three positions, faults off and on.

The champion knows nothing: it takes every spread for one that reverts. What is tried is the trading process, not a
model: both runs must end flat, and reconciled to the cent by the journal, the venue's bills and its cash.
"""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal import Journal, TradingState
from tests.e2e.account_checks import check_cash, check_equal, client_of, read_cash
from tests.e2e.running import Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.month, pytest.mark.recorded, pytest.mark.timeout(7200)]
START = datetime(2025, 3, 18, 17, tzinfo=UTC)
CYCLES = int(os.environ.get("MONTH_CYCLES", "717"))
"""Hours from the first to the last that the recording has whole."""
SEED = 20
ASSETS = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TRX")
SETTINGS = {
    "PAIRITY_UNIVERSE__ASSETS": json.dumps(ASSETS),
    "PAIRITY_STRATEGY__LEGS": "both",
    "PAIRITY_STRATEGY__MAX_CONCURRENT_POSITIONS": "3",
    "PAIRITY_MODEL__FAMILY": "always_revert",
    # The recording begins with the month: two days of it are history before the first entry, instead of a week.
    "PAIRITY_FEATURES__HEDGE_WINDOW_BARS": "48",
    "PAIRITY_FEATURES__CORRELATION_WINDOW_BARS": "48",
}
EMPTY = json.dumps({"code": "0", "msg": "", "data": []})
SPELLS = (
    ("POST trade/order", "reset", 1, {"executed": True}),
    ("POST trade/order", "reset", 1, {"executed": False}),
    ("POST trade/order", "code", 2, {"code": "51028", "msg": "Contract under delivery", "http_status": 200}),
    ("POST trade/order", "maintenance_50001", 3, {}),
    ("POST trade/order-algo", "reset", 1, {"executed": True}),
    ("POST trade/cancel-algos", "html_503", 2, {}),
    ("GET trade/order", "html_503", 3, {}),
    ("account/positions", "body", 12, {"text": EMPTY}),
    ("account/balance", "html_503", 4, {}),
    ("market/*", "maintenance_50001", 5, {}),
    ("*", "reset", 6, {}),
)


@pytest.fixture(scope="module")
def recordings() -> Path:
    where = os.environ.get("PAIRITY_RECORDED_DATA")
    if not where:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded minutes")
    return Path(where)


@pytest.fixture
def trained(recordings, tmp_path):
    """A data directory with a champion that was registered weeks before the month, on another venue's minutes."""
    place = Place(tmp_path / "home", SETTINGS)
    with recorded(recordings / "binance_um" / "1m_20250127_20250226", "2025-02-26T12:00:00Z") as exchange:
        for command in (("ingest", *options_of(exchange), "--since", "28d"), ("train", "--no-compare")):
            done = place.run(*command, timeout_s=1800)
            assert done.returncode == 0, done.stdout + done.stderr
    return place


def recorded(data, start, *options):
    return paper_exchange("--market", "recorded", "--data", str(data), "--start", start, *options)


def options_of(exchange):
    return ("--exchange-url", exchange.url, "--control-url", exchange.control)


def write_script(path: Path) -> None:
    """A bad spell every five hours or so, a suspended contract, a changed tick, shorter funding intervals."""
    drawn, at, events = random.Random(SEED), START + timedelta(hours=2), []
    while at < START + timedelta(hours=CYCLES - 12):
        where, kind, count, params = drawn.choice(SPELLS)
        for_s = 30 * 60 if kind != "code" else 90 * 60
        events.append({"at": stamp(at), "path": where, "fault": kind, "count": count, "params": params})
        events.append({"at": stamp(at + timedelta(seconds=for_s)), "clear_faults": True})
        at += timedelta(minutes=drawn.randrange(120, 480))
    day = timedelta(days=1)
    events += [
        {"at": stamp(START + 8 * day), "for_s": 5400, "instrument": "SOL-USDT-SWAP", "state": "suspend"},
        {"at": stamp(START + 11 * day), "instrument": "XRP-USDT-SWAP", "funding_hours": 4},
        {"at": stamp(START + 14 * day), "instrument": "ETH-USDT-SWAP", "change": {"tickSz": "0.05"}},
        {"at": stamp(START + 17 * day), "for_s": 7200, "maintenance": "Matching upgrade", "refuse": True},
        {"at": stamp(START + 20 * day), "for_s": 3600, "instrument": "BTC-USDT-SWAP", "state": "suspend"},
    ]
    path.write_text(json.dumps({"event": events}))


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("faulty", [False, True], ids=["faults off", "faults on"])
def test_a_month_ends_flat_and_reconciled_to_the_cent(trained, recordings, faulty, tmp_path):
    place, extra = trained, ()
    if faulty:
        write_script(tmp_path / "script.json")
        extra = ("--unkind", "--seed", str(SEED), "--faults", str(tmp_path / "script.json"))
    with recorded(recordings / "okx_swap" / "1m_20250318_20250417", stamp(START), *extra) as exchange:
        options, client = options_of(exchange), client_of(exchange.url)
        before = read_cash(client)
        done = place.run("serve", *options, "--cycles", str(CYCLES), timeout_s=7000)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert place.run("halt", "--flatten", "--reason", "the month is over").returncode == 0
        ended = place.run("serve", *options, "--cycles", "2", timeout_s=600)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        journal = Journal.read(Layout.of(Settings(home=place.home)).journal)
        try:
            print(describe(journal, read_cash(client) - before))
            assert journal.open_positions() == []
            check_equal(journal, client)
            check_cash(journal, client, read_cash(client) - before)
            assert len(journal.decisions()) >= CYCLES * 0.97
            assert max(len(record.decision.state.positions) for record in journal.decisions()) == 3
            assert len({len(record.position.legs) for record in journal.closed_positions()} - {1}) == 1
            assert TradingState.HALTED not in {record.state for record in journal.states.all()[:-1]}
        finally:
            journal.close()
        ledger = place.run("ledger", "--exchange-url", exchange.url, "--since", stamp(START))
        assert ledger.returncode == 0, ledger.stdout + ledger.stderr
        assert "0 differences" in ledger.stdout
        print(ledger.stdout.splitlines()[-1])


def describe(journal, change):
    closed = journal.closed_positions()
    reasons: dict[str, int] = {}
    for record in closed:
        reasons[record.close.exit_reason] = reasons.get(record.close.exit_reason, 0) + 1
    states = [str(record.state) for record in journal.states.all()]
    return (
        f"{len(journal.decisions())} decisions, {len(closed)} positions closed ({reasons}), "
        f"net {sum(record.close.net_usdt for record in closed)} USDT, cash {change:+f} USDT, "
        f"{states.count('guarding')} times guarding"
    )
