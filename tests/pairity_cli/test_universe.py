"""`pairity universe` from Tiingo (a local server) and from a lake; what it refuses, and what it stores."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.universes import read_universe
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity_cli.main import main
from tests.ingestion.sources.test_tiingo import METADATA, bar
from tests.ingestion.sources.web import serving
from tests.ingestion.test_universes import START, history, write

DAY = timedelta(days=1)


def prices(query):
    """Both coins on BINANCE always; MEXC has BTC, and ETH from 2024-05-03 on."""
    day = datetime.fromisoformat(query["startDate"].replace("Z", "+00:00"))
    answer = []
    for ticker in query["tickers"].split(","):
        data = {"BINANCE": [bar("BINANCE", day, 1.0)]}
        listed = ticker == "btcusdt" or day >= datetime(2024, 5, 3, tzinfo=UTC)
        data["MEXC"] = [bar("MEXC", day + (0 if listed else 1) * DAY, 1.0)]
        answer.append({"ticker": ticker, "exchangeData": data})
    return json.dumps(answer).encode()


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serving() as web:
        web.files["/tiingo/crypto"] = json.dumps(METADATA).encode()
        web.files["/tiingo/crypto/prices"] = prices
        environment = {
            "PAIRITY_HOME": str(tmp_path / "var"),
            "PAIRITY_SOURCES__TIINGO_URL": web.url,
            "PAIRITY_SOURCES__TIINGO_API_KEY": "hidden",
            "PAIRITY_SOURCES__SPACING_S": "0",
        }

        def invoke(*arguments, **more):
            return CliRunner().invoke(main, ["universe", *arguments], env=environment | more)

        yield invoke


def test_what_an_exchange_lists_is_known_when_its_day_is_over(run, tmp_path):
    first = run("--day", "2024-05-02")
    assert first.exit_code == 0, first.output
    assert "BINANCE MEXC" in first.output
    assert "hidden" not in first.output
    assert run("--day", "2024-05-03").exit_code == 0
    stored = read_universe(Layout(tmp_path / "var"), "mexc_usdt")
    assert stored.source == "tiingo:MEXC:usdt"
    assert stored.list_members(datetime(2024, 5, 3, tzinfo=UTC)) == ("BTC",)
    assert stored.list_members(datetime(2024, 5, 3, 23, 59, tzinfo=UTC)) == ("BTC",)
    assert stored.list_members(datetime(2024, 5, 4, tzinfo=UTC)) == ("BTC", "ETH")
    with pytest.raises(MissingDataError, match="its first snapshot is of 2024-05-03"):
        stored.list_members(datetime(2024, 5, 2, 23, tzinfo=UTC))
    told = pl.read_csv(tmp_path / "var" / "reports" / "universe" / "mexc_usdt-2024-05-03.csv")
    assert told.rows() == [("btcusdt", "BINANCE MEXC"), ("ethusdt", "BINANCE MEXC")]


def test_a_venue_by_notional_and_age_is_built_shown_and_given_to_the_settings(run, tmp_path):
    write(tmp_path / "var", history())
    done = run("big", "--from", "okx", "--top", "2", "--min-bars", "20", "--until", "2025-02-05")
    assert done.exit_code == 0, done.output
    assert "2 members; 6 snapshots from 2025-01-31 to 2025-02-05" in done.output
    assert "e+" not in done.output
    shown = run("big", "--show", "--at", "2025-02-02")
    assert read_universe(Layout(tmp_path / "var"), "big").list_members(START + 3 * DAY)[0] in shown.output
    assets = json.loads(run("big", "--show", "--json").output)
    assert assets == list(read_universe(Layout(tmp_path / "var"), "big").assets)
    refused = run("big", "--day", "2024-05-03")
    assert refused.exit_code == 2
    assert "universe big is of okx, this one of tiingo:MEXC:usdt" in refused.output


def test_a_universe_that_nobody_belongs_to_any_more_says_since_when(run, tmp_path):
    """The lake ends long before now: its newest snapshot is of nobody, and the one to look at is named."""
    write(tmp_path / "var", history())
    built = run("big", "--from", "okx", "--window-hours", "30", "--min-bars", "20", "--until", "2025-03-01")
    assert built.exit_code == 0, built.output
    assert "USDT per hour, mean" in built.output
    assert "exchanges" not in built.output
    found = read_universe(Layout(tmp_path / "var"), "big")
    last = max(found.rows.filter(pl.col("asset").is_not_null())["since"])
    assert f"nobody belongs to it since {last + DAY:%Y-%m-%d}: --show --at {last:%Y-%m-%d}" in built.output
    before = run("big", "--show", "--at", f"{last:%Y-%m-%d}")
    assert "nobody belongs" not in before.output
    assert "nobody belongs" not in run("big", "--show", "--at", f"{last + DAY / 2:%Y-%m-%dT%H:%M}").output
    assert "nobody belongs" in run("big", "--show", "--at", f"{last + 2 * DAY:%Y-%m-%d}").output


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--show",), 2, "--show needs a name"),
        (("nothing", "--show"), 2, "nothing"),
        (("x", "--show", "--top", "3"), 2, "--show builds nothing, but --top was given"),
        (("--top", "3"), 2, "--top says nothing of --from tiingo"),
        (("--from", "okx", "--day", "2024-05-01"), 2, "--day says nothing of --from okx"),
        (("--from", "okx"), 4, "no candles of venue 'okx'"),
        (("--from", "okx"), 4, "or name another venue with --from"),
        (("--day", "2999-01-01"), 2, "outside the years"),
        (("--day", "2024-05-02T12:00"), 2, "is no whole day that is over"),
        (("--exchange", "KRAKEN", "--day", "2024-05-02"), 2, "BINANCE, MEXC"),
        (("--quote", "eur", "--day", "2024-05-02"), 4, "no exchange had a price of any coin against eur on 2024-05-02"),
        (("../x",), 2, "identifier"),
        (("--from", "okx", "--since", "2025-02-01", "--until", "2025-01-01"), 2, ""),
    ],
)
def test_bad_input_is_refused_with_a_remedy(run, arguments, code, text):
    done = run(*arguments)
    assert done.exit_code == code, done.output
    assert text in done.output


def test_a_damaged_universe_is_named(run, tmp_path):
    assert run("--day", "2024-05-02").exit_code == 0
    path = tmp_path / "var" / "reference" / "universes" / "mexc_usdt.parquet"
    for content in (b"", b"PAR1", path.read_bytes()[:-9]):
        path.write_bytes(content)
        done = run("mexc_usdt", "--show")
        assert done.exit_code == 4
        assert str(path) in done.output.replace("\n", "")
    pl.DataFrame({"asset": ["../x"]}).write_parquet(path)
    assert run("mexc_usdt", "--show").exit_code == 4
