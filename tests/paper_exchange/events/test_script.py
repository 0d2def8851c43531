"""Reading of scripts: what a file may say, and what is said about a file that cannot be used."""

import json
from decimal import Decimal

import pytest

from pairity.errors import ConfigError
from paper_exchange.events.script import read_script
from tests.paper_exchange.handmade_market import BTC, ETH, T0, HandmadeMarket, flat

EVERY_KIND = """
[[event]]
after_requests = 2
path = "POST trade/order"
fault = "reset"
params = { executed = false }

[[event]]
at = 2026-01-01T00:05:00Z
fault = "latency"
path = "public/time"
for_s = 60

[[event]]
after_s = 90
instrument = "BTC-USDT-SWAP"
state = "suspend"
for_s = 600

[[event]]
at = "2026-01-01T02:00:00Z"
instrument = "ETH-USDT-SWAP"
change = { tickSz = "0.5", minSz = 2 }
announced_s = 30

[[event]]
after_s = 100
instrument = "BTC-USDT-SWAP"
funding_hours = 4

[[event]]
after_s = 200
instrument = "ETH-USDT-SWAP"
delist = true

[[event]]
after_s = 300
maintenance = "Upgrade of matching"
refuse = true
for_s = 120

[[event]]
after_s = 400
instrument = "BTC-USDT-SWAP"
fill_resting = "0.4"

[[event]]
after_s = 450
instrument = "BTC-USDT-SWAP"
cancel_resting = "3"

[[event]]
after_s = 500
clear_faults = true
"""


@pytest.fixture
def market():
    return HandmadeMarket({BTC: flat(100), ETH: flat(100)})


def write(tmp_path, text, name="script.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_every_kind_of_event(tmp_path, market):
    events = read_script(write(tmp_path, EVERY_KIND), market, T0)
    assert [event.kind for event in events] == [
        "fault",
        "fault",
        "state",
        "change",
        "funding_hours",
        "delist",
        "maintenance",
        "fill_resting",
        "cancel_resting",
        "clear_faults",
    ]
    reset, latency, suspended, changed, funding, delisted, maintenance, filled, cancelled, _ = events
    assert (reset.requests, reset.at_ms, reset.path) == (2, None, "POST trade/order")
    assert dict(reset.values) == {"count": 1, "params": {"executed": False}}
    assert (latency.at_ms, latency.until_ms, latency.values["count"]) == (T0 + 300_000, T0 + 360_000, None)
    assert (suspended.at_ms, suspended.until_ms, suspended.subject) == (T0 + 90_000, T0 + 690_000, BTC)
    assert dict(changed.values) == {"tickSz": Decimal("0.5"), "minSz": Decimal(2)}
    assert (changed.at_ms, changed.announced_ms) == (T0 + 7_200_000, T0 + 30_000)
    assert (funding.values["hours"], delisted.subject) == (4, ETH)
    assert (filled.subject, dict(filled.values)) == (BTC, {"share": Decimal("0.4")})
    assert (cancelled.subject, dict(cancelled.values)) == (BTC, {"source": "3"})
    assert (maintenance.subject, maintenance.values["refuse"]) == ("Upgrade of matching", True)


def test_json_says_the_same(tmp_path, market):
    import tomllib

    rows = tomllib.loads(EVERY_KIND)["event"]
    text = json.dumps({"event": rows}, default=lambda instant: instant.isoformat())
    assert read_script(write(tmp_path, text, "s.json"), market, T0) == read_script(
        write(tmp_path, EVERY_KIND), market, T0
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[event]]\nfault = 'reset'", "at no time"),
        ("[[event]]\nafter_s = 1\nat = 'now'\nfault = 'reset'", "at and after_s"),
        ("[[event]]\nafter_s = 1", "nothing"),
        ("[[event]]\nafter_s = 1\nfault = 'reset'\nclear_faults = true", "fault and clear_faults"),
        ("[[event]]\nafter_s = 1\nfault = 'rset'", "reset"),
        ("[[event]]\nafter_s = 1\ninstrument = 'BTC-USDT-SWAP'\nfill_resting = 1.5", "above 0"),
        ("[[event]]\nafter_s = 1\ninstrument = 'BTC-USDT-SWAP'\ncancel_resting = 3", "cancelSource"),
        ("[[event]]\nafter_requests = 1\ninstrument = 'BTC-USDT-SWAP'\ncancel_resting = '3'", "at a time"),
        ("[[event]]\nafter_s = 1\nfault = 'reset'\ncount = 0", "0 times"),
        ("[[event]]\nafter_s = 1\nfault = 'reset'\nparams = 7", "params"),
        ("[[event]]\nafter_s = -1\nfault = 'reset'", "after_s"),
        ("[[event]]\nafter_s = true\nfault = 'reset'", "after_s"),
        ("[[event]]\nafter_requests = 1.5\nfault = 'reset'", "after_requests"),
        ("[[event]]\nafter_requests = 1\nfault = 'reset'\nfor_s = 5", "for_s"),
        ("[[event]]\nafter_requests = 1\ninstrument = 'BTC-USDT-SWAP'\nstate = 'suspend'", "happens at a time"),
        ("[[event]]\nat = 'noon'\nfault = 'reset'", "not a time"),
        ("[[event]]\nafter_s = 1\ncolour = 'red'\nfault = 'reset'", "colour"),
        ("[[event]]\nafter_s = 1\ninstrument = 'BTC'\nstate = 'suspend'", "BTC-USDT-SWAP"),
        ("[[event]]\nafter_s = 1\nstate = 'suspend'", "instrument"),
        ("[[event]]\nafter_s = 1\ninstrument = 'BTC-USDT-SWAP'\nstate = 'asleep'", "suspend"),
        ("[[event]]\nafter_s = 1\ninstrument = 'BTC-USDT-SWAP'\nchange = {}", "change"),
        ("[[event]]\nafter_s = 1\ninstrument = 'BTC-USDT-SWAP'\nchange = { lotSize = 1 }", "lotSz"),
        ("[[event]]\nafter_s = 1\ninstrument = 'BTC-USDT-SWAP'\nchange = { lotSz = 'x' }", "above zero"),
        ("[[event]]\nafter_s = 1\ninstrument = 'BTC-USDT-SWAP'\nchange = { lotSz = 0 }", "above zero"),
        ("[[event]]\nafter_s = 1\ninstrument = 'BTC-USDT-SWAP'\nfunding_hours = 5", "funding_hours"),
        ("[[event]]\nafter_s = 1\ninstrument = 'BTC-USDT-SWAP'\ndelist = false", "delist"),
        ("[[event]]\nafter_s = 1\nmaintenance = 'x'", "for_s"),
        ("[[event]]\nafter_s = 1\nmaintenance = ''\nfor_s = 1", "title"),
        ("events = []", "event"),
        ("event = 'reset'", "event"),
        ("[[event", "TOML"),
    ],
)
def test_what_cannot_be_carried_out_is_said(tmp_path, market, text, said):
    with pytest.raises(ConfigError) as refused:
        read_script(write(tmp_path, text), market, T0)
    assert said in str(refused.value)


def test_the_event_is_named(tmp_path, market):
    with pytest.raises(ConfigError, match=r"event 2 of script\.toml"):
        read_script(write(tmp_path, "[[event]]\nafter_s=1\nfault='reset'\n[[event]]\nfault='reset'"), market, T0)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_script(tmp_path / "none.toml", market, T0)
    with pytest.raises(ConfigError, match="JSON"):
        read_script(write(tmp_path, "{", "s.json"), market, T0)
