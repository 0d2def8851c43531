"""Whatever a source's code raises is one instrument's failure; one bad unit keeps no other out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl
import pytest

from ingestion.containment import containing
from ingestion.lake import Lake
from ingestion.pipeline import collect_history
from ingestion.sources.blocking import BlockingSource
from ingestion.sources.protocol import UnitAnswer
from pairity.errors import ConfigError, CredentialsError, DataError, LakeCorruptError, VenueAnswerError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from pairity.timeline import HOUR, months_between

SINCE, UNTIL, NOW = (datetime(2024, month, 1, tzinfo=UTC) for month in (1, 7, 8))


@dataclass
class Odd(BlockingSource):
    """One hour a month; what it raises for BTC is told by month."""

    raises: dict[int, BaseException] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    name: str = "odd"
    venue: str = "odd"
    datasets: tuple[str, ...] = ("candles_1h",)

    def list_assets(self):
        return ()

    def read(self, dataset, asset, since, until):
        if asset == "BTC" and since.month in self.raises:
            raise self.raises[since.month]
        prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
        rows = pl.DataFrame([{"open_time": since, **prices, "known_at": since + HOUR}])
        return UnitAnswer(rows, ((since, since + HOUR),), self.left_out) if self.left_out else rows


def run(home, source, assets=("BTC", "ETH")):
    settings = Settings(home=home, universe=UniverseSettings(assets=("BTC", "ETH")))
    return asyncio.run(collect_history(settings, source, assets, ("candles_1h",), SINCE, UNTIL, NOW, SilentProgress()))


def panic():
    with pytest.raises(BaseException, match="index out of bounds") as caught:
        raise pl.exceptions.PanicException("index out of bounds")
    return caught.value


ODDITIES = {
    "a key": KeyError("close"),
    "a shape": pl.exceptions.ShapeError("2 columns instead of 3"),
    "a file": FileNotFoundError(2, "No such file", "/data/BTC.csv"),
    "an overflow": OverflowError("int too large"),
    "memory": MemoryError("30 GB"),
    "a panic of Polars": panic(),
    "an answer": VenueAnswerError("BTC-2024-03.zip is cut", "get it again"),
    "ours": DataError("BTC.parquet: ts of row 3 is 17", "correct it"),
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_an_error_in_one_unit_is_named_and_stepped_over(tmp_path, oddity):
    error = ODDITIES[oddity]
    report = run(tmp_path, Odd({3: error}))
    (failure,) = report.failures
    assert (failure.asset, failure.dataset) == ("BTC", "candles_1h")
    assert str(error.args[-1]).partition("\n")[0] in failure.reason
    assert "asked for 2024-03-01 00:00 to 2024-04-01 00:00 UTC" in failure.reason
    assert "→" in failure.reason
    assert [row.rows for row in report.rows] == [5, 6]
    lake = Lake(Layout(tmp_path), venue="odd")
    assert lake.coverage("candles_1h", "BTC", datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)) == ()
    assert run(tmp_path, Odd()).ok


def test_a_setting_that_fits_one_instrument_alone_ends_no_other(tmp_path):
    wrong = ConfigError("whether volumes of BTC are coins is unknown", "look it up")
    report = run(tmp_path, Odd(dict.fromkeys(range(1, 13), wrong)))
    assert [failure.asset for failure in report.failures] == ["BTC"]
    assert [row.rows for row in report.rows] == [0, 6]
    with pytest.raises(ConfigError, match="coins is unknown"):
        run(tmp_path, Odd(dict.fromkeys(range(1, 13), wrong)), ("BTC",))


@pytest.mark.parametrize("error", [LakeCorruptError("a file of the lake is gone"), KeyboardInterrupt()], ids=repr)
def test_what_is_not_the_sources_ends_the_run(tmp_path, error):
    source = Odd({3: error})
    with pytest.raises(type(error)):
        run(tmp_path, source)


def test_a_dataset_that_no_instrument_has_keeps_the_others(tmp_path):
    both = ("candles_1h", "funding")

    class Two(Odd):
        """Has no funding of any instrument."""

        def read(self, dataset, asset, since, until):
            if dataset == "funding":
                raise ConfigError("it has no funding")
            return super().read(dataset, asset, since, until)

    settings = Settings(home=tmp_path, universe=UniverseSettings(assets=("BTC", "ETH")))
    report = asyncio.run(
        collect_history(settings, Two(datasets=both), ("BTC", "ETH"), both, SINCE, UNTIL, NOW, SilentProgress())
    )
    assert [(one.asset, one.dataset) for one in report.failures] == [("BTC", "funding"), ("ETH", "funding")]
    assert [row.rows for row in report.rows] == [6, 0, 6, 0]


def test_a_source_that_refuses_the_key_is_not_asked_for_every_unit(tmp_path):
    source = Odd({1: CredentialsError("the key is refused")})
    assert [row.rows for row in run(tmp_path, source).rows] == [0, 6]


def test_a_source_that_is_out_of_order_is_left_after_a_while(tmp_path):
    settings = Settings(home=tmp_path, universe=UniverseSettings(assets=("BTC", "ETH")))
    since = datetime(2020, 1, 1, tzinfo=UTC)
    source = Odd(dict.fromkeys(range(1, 13), VenueAnswerError("HTML")))
    report = asyncio.run(
        collect_history(settings, source, ("BTC",), ("candles_1h",), since, UNTIL, NOW, SilentProgress())
    )
    assert len(list(months_between(since, UNTIL))) == 54
    assert len(report.failures) == 13
    assert "left after 12 bad units in a row" in report.failures[-1].reason


def test_what_is_left_out_of_a_unit_is_reported_and_covers_nothing(tmp_path):
    report = run(tmp_path, Odd(left_out=("3 rows of BTC.csv have no close, such as row 7",)))
    assert len(report.failures) == 12
    assert not report.ok
    lake = Lake(Layout(tmp_path), venue="odd")
    assert lake.coverage("candles_1h", "BTC", SINCE, UNTIL) == tuple(
        (month, month + HOUR) for month in months_between(SINCE, UNTIL)
    )


def test_what_an_error_says_stays_on_one_line():
    with pytest.raises(DataError) as caught, containing("odd", "funding", "BTC"):
        raise ValueError("a\nb\x1b[2J" + "c" * 999)
    assert len(caught.value.what) < 400
    assert "\n" not in caught.value.what
    assert "\x1b" not in caught.value.what
