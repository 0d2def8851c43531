"""The lookahead proof finds nothing where nothing is, and finds a leak of one bar wherever it is put."""

from datetime import UTC, datetime
from types import MappingProxyType

import polars as pl
import pytest

from feature_repo.catalog import VIEWS
from feature_repo.transforms import view_transforms
from pairity.errors import TimeRangeError
from tests.feature_repo.transforms.markets import HOUR, SHORT, candles, reader, settlements
from tests.feature_repo.transforms.markets import settings as settings_for
from validation.lookahead import prove, sample_instants

MAY = datetime(2025, 5, 1, tzinfo=UTC)
NAMES = ("BTC", "ETH", "SOL")
HOURS = 400 + 60
UNTIL = MAY + 60 * HOUR


@pytest.fixture(scope="module")
def market():
    start = MAY - 400 * HOUR
    hours = candles(NAMES, HOURS, start=start, gaps=0.02)
    return reader(hours.clear(), hours, settlements(NAMES, HOURS, start=start))


def run(read, views=("asset_hourly", "pair_hourly")):
    instants = sample_instants(MAY, UNTIL, 3)
    return prove(read, MAY, UNTIL, settings_for(NAMES, SHORT), instants, views=views)


def test_every_column_is_compared_and_none_looks_ahead(market):
    report = run(market)
    assert report.leaks == ()
    assert {(proof.view, proof.column) for proof in report.columns} == {
        (name, column) for name in ("asset_hourly", "pair_hourly") for column in VIEWS[name].columns[2:]
    }
    unmeasured = {proof.column for proof in report.unproven}
    assert not unmeasured & {"close", "z_score", "funding_rate", "correlation_168h", "half_life_h", "spread_rsi"}


def leaking(monkeypatch, view, change):
    honest = view_transforms.TRANSFORMS[view]
    patched = {**view_transforms.TRANSFORMS, view: lambda inputs: change(honest(inputs), inputs)}
    monkeypatch.setattr("feature_repo.chunks.TRANSFORMS", MappingProxyType(patched))


def next_bar(column, entity):
    return lambda rows, inputs: rows.with_columns(pl.col(column).shift(-1).over(entity).fill_null(pl.col(column)))


@pytest.mark.parametrize(
    ("view", "column", "entity"),
    [
        pytest.param("asset_hourly", "close", "asset", marks=pytest.mark.slow),
        ("asset_hourly", "funding_rate", "asset"),
        ("asset_hourly", "created_timestamp", "asset"),
        ("pair_hourly", "z_score", "pair_id"),
        pytest.param("pair_hourly", "hedge_ratio", "pair_id", marks=pytest.mark.slow),
    ],
)
def test_a_leak_of_one_bar_is_caught_in_that_column(market, monkeypatch, view, column, entity):
    leaking(monkeypatch, view, next_bar(column, entity))
    report = run(market, views=(view,))
    assert column in {leak.column for leak in report.leaks}
    assert {leak.world for leak in report.leaks if leak.column == column} >= {"truncated"}
    first = next(leak for leak in report.leaks if leak.column == column)
    assert first.event <= first.instant
    assert first.view == view


def test_a_mean_over_the_whole_sample_is_caught(market, monkeypatch):
    leaking(monkeypatch, "pair_hourly", lambda rows, _: rows.with_columns(pl.col("z_score") - pl.col("z_score").mean()))
    assert {leak.column for leak in run(market).leaks} == {"z_score"}


def test_a_row_that_exists_only_because_of_the_future_is_caught(market, monkeypatch):
    leaking(monkeypatch, "asset_hourly", lambda rows, inputs: rows.filter(pl.col("event_timestamp") < inputs.end))
    leaks = run(market, views=("asset_hourly",)).leaks
    assert {leak.world for leak in leaks} == {"truncated", "continued"}


def test_a_row_that_claims_to_be_known_before_its_inputs_is_caught(monkeypatch):
    start = MAY - 400 * HOUR
    late = candles(NAMES, HOURS, start=start, lag=3 * HOUR)
    read = reader(late.clear(), late, settlements(NAMES, HOURS, start=start))
    assert run(read).leaks == ()
    early = pl.col("event_timestamp") + pl.duration(milliseconds=1)
    leaking(monkeypatch, "asset_hourly", lambda rows, _: rows.with_columns(early.alias("created_timestamp")))
    assert {leak.world for leak in run(read, views=("asset_hourly",)).leaks} == {"unknown"}


def test_an_instant_without_rows_is_refused(market):
    with pytest.raises(TimeRangeError, match="nothing was computed"):
        prove(market, MAY, UNTIL, settings_for(NAMES, SHORT), [MAY])
    with pytest.raises(TimeRangeError, match="no full hour"):
        sample_instants(MAY, MAY + HOUR, 3)
