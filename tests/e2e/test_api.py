"""The API of a real trading process with an open position: what it says of the venue, and that all of it answers."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request

import pytest

from tests.e2e.running import paper_exchange
from tests.e2e.test_two_homes import Home, stops, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(280)]
PATHS = (
    *("status", "positions", "decisions", "orders", "trades", "trades/calendar", "equity", "heatmap", "risk", "model"),
    *("trust", "events", "trades.csv", "pairs/BTC__ETH/series", "assets/BTC/candles", "openapi.json"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with paper_exchange("--clock", "real") as exchange:
        made = Home(tmp_path_factory.mktemp("api"), exchange.url, "one", "BTC", "0.5")
        made.place.extra["PAIRITY_SERVE__WATCH_S"] = "2"
        made.serve()
        until(lambda: made.status()["watched"] is not None)
        yield made
        made.end()


def get(home, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{home.port}/api/v1/{path}", timeout=10) as answer:
        return answer.read()


def test_every_path_answers_while_nothing_can_be_decided(home):
    for path in PATHS:
        assert get(home, path), path
    status = json.loads(get(home, "status"))
    assert (status["mode"], status["trading"], status["model"]["gate"]) == ("paper", "guarding", "unknown")
    assert "opening" in status["causes"]
    assert status["venue_link"]["reachable"] is True
    assert not status["data"]["fresh"]


def test_a_stop_is_confirmed_as_it_rests_on_the_venue(home):
    (item,) = json.loads(get(home, "positions"))["items"]
    (leg,) = item["legs"]
    row = stops(home.url)["BTC-USDT-SWAP"]
    assert leg["stop"]["state"] == leg["target"]["state"] == "confirmed"
    assert float(leg["stop"]["price"]) == float(row["slTriggerPx"])
    assert float(leg["target"]["price"]) == float(row["tpTriggerPx"])
    assert leg["mark_price"] is not None
    first = leg["stop"]["confirmed_at"]
    until(lambda: json.loads(get(home, "positions"))["items"][0]["legs"][0]["stop"]["confirmed_at"] > first)


def test_reading_ends_with_the_process_and_does_not_keep_it(home):
    with urllib.request.urlopen(f"http://127.0.0.1:{home.port}/api/v1/stream", timeout=10) as stream:
        assert stream.readline().startswith(b"retry")
        said = home.end(signal.SIGTERM)
        assert "Traceback" not in said
        while stream.readline():
            pass
    with pytest.raises(urllib.error.URLError):
        get(home, "status")
