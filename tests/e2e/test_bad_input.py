"""Bad input ends with a message that names the thing, the value and the remedy, an exit code, and nothing written."""

from __future__ import annotations

import pytest

from tests.e2e.running import Indoors, Place, paper_exchange

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def exchange():
    with paper_exchange() as running:
        yield running


@pytest.fixture
def place(tmp_path):
    return Indoors(tmp_path / "home")


def refused(done, code, *words):
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def nothing_collected(place):
    assert not list(place.home.rglob("*.parquet"))


def test_no_exchange_at_the_url(tmp_path):
    """In a process of its own, as one of the others: its exit code is that of the process."""
    place = Place(tmp_path / "home")
    done = place.run("ingest", "--exchange-url", "http://127.0.0.1:9", "--since", "2d")
    refused(done, 3, "http://127.0.0.1:9", "make demo")
    nothing_collected(place)


def test_unknown_instrument(place, exchange):
    done = place.run("ingest", "--exchange-url", exchange.url, "--instruments", "BTC,ETHH")
    refused(done, 2, "unknown instrument 'ETHH'", "did you mean 'ETH'", "BTC, ETH, SOL, XRP")
    nothing_collected(place)


@pytest.mark.slow
def test_an_instrument_that_the_venue_does_not_list_is_named_and_the_others_are_collected(place, exchange):
    place.extra = {"PAIRITY_UNIVERSE__ASSETS": '["BTC", "NOSUCH"]'}
    done = place.run("ingest", "--exchange-url", exchange.url, "--control-url", exchange.control, "--since", "1d")
    assert done.returncode == 4
    assert "failed NOSUCH: the venue does not list it (seen 20" in done.stdout
    assert "spelt otherwise" in done.stdout
    collected = {part.name for part in place.home.rglob("instrument=*")} or {
        str(file) for file in place.home.rglob("*.parquet")
    }
    assert any("BTC" in name for name in collected)
    assert not any("NOSUCH" in name for name in collected)


@pytest.mark.parametrize(
    ("since", "until", "word"),
    [("2025-12-02", "2025-12-02", "empty"), ("2025-12-03", "2025-12-02", "inverted"), ("soon", "now", "not a time")],
)
def test_empty_and_inverted_ranges(place, exchange, since, until, word):
    done = place.run("ingest", "--exchange-url", exchange.url, "--since", since, "--until", until)
    refused(done, 2, word)
    nothing_collected(place)


@pytest.fixture(scope="module")
def ingested(tmp_path_factory, exchange):
    """A place with two days of data, and the command that made it."""
    place = Indoors(tmp_path_factory.mktemp("ingested") / "home")
    arguments = ("ingest", "--exchange-url", exchange.url, "--control-url", exchange.control, "--since", "2025-12-30")
    assert place.run(*arguments).returncode == 0
    return place, arguments


@pytest.mark.slow
def test_truncated_file_in_the_lake(ingested):
    place, arguments = ingested
    part = next((place.home / "lake").rglob("*candles_1m*/**/instrument=ETH-USDT-SWAP/**/part.parquet"))
    whole = part.read_bytes()
    part.write_bytes(whole[:1000])
    before = {path: path.read_bytes() for path in (place.home / "features").rglob("*") if path.is_file()}
    refused(place.run(*arguments), 4, str(part))
    assert before == {path: path.read_bytes() for path in (place.home / "features").rglob("*") if path.is_file()}
    part.write_bytes(whole)


def test_training_without_data(place):
    refused(place.run("train"), 4, "make ingest")
    assert not (place.home / "mlflow").exists()


def test_serving_without_contracts(place, exchange):
    refused(place.run("serve", "--exchange-url", exchange.url, "--cycles", "1"), 4, "pairity ingest")


@pytest.mark.slow
def test_serving_without_a_champion(ingested, exchange):
    done = Place(ingested[0].home).run(
        "serve", "--exchange-url", exchange.url, "--control-url", exchange.control, "--cycles", "1"
    )
    refused(done, 5, "champion", "make train")


@pytest.mark.parametrize(
    ("switches", "variables", "word"),
    [(["--live"], {}, "PAIRITY_LIVE_TRADING is not set"), (["--live"], {"PAIRITY_LIVE_TRADING": "yes"}, "'yes'")],
)
def test_real_money_needs_both_switches(place, switches, variables, word):
    refused(place.run("serve", *switches, "--cycles", "1", **variables), 2, word, "i-accept-the-risk")


def test_a_misspelt_setting(place):
    refused(place.run("train", PAIRITY_MODEL__N_ESTIMATOR="5"), 2, "PAIRITY_MODEL__N_ESTIMATORS")


def test_nothing_to_show(place):
    refused(place.run("ui"), 4, "make train")
    refused(place.run("trace", "nosuchorder"), 4, "nothing stored yet", "no journal")
