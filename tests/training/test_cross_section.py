"""One hour of the cross-section, of all and of a universe's members, against plain loops; as it was known then."""

import json
from datetime import UTC, datetime, timedelta
from statistics import median

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import ASSET_CROSS_SECTION, ASSET_HOURLY
from feature_repo.offline_files import publish
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.cross_section import compute_cross_section
from feature_repo.universes import make_snapshot, store_universe
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import FeatureSettings, Settings, UniverseSettings
from pairity_cli.main import main
from tests.feature_repo.transforms.markets import DAY, HOUR, candles, settlements
from training.cross_section import find_newest_hour, read_cross_section

START = datetime(2025, 3, 1, tzinfo=UTC)
NAMES = tuple(f"C{number:02}" for number in range(9))
AT = START + 220 * HOUR


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    settings = Settings(home=tmp_path_factory.mktemp("panel"), universe=UniverseSettings(assets=NAMES))
    hours = adopt_native_hours(candles(NAMES, 240, start=START, seed=6).lazy())
    rows = compute_asset_hourly(hours, settlements(NAMES, 240, start=START).lazy(), FeatureSettings()).collect()
    micro = rows.select("asset", "event_timestamp", "created_timestamp", pl.lit(0.01).alias("realized_vol_1h"))
    panel = compute_cross_section(rows.lazy(), micro.lazy()).collect()
    publish(Layout.of(settings), ASSET_HOURLY, rows)
    publish(Layout.of(settings), ASSET_CROSS_SECTION, panel)
    return settings, rows, panel


def snapshot(settings, name, members, since=START):
    rows = make_snapshot("okx", since, [(asset, None, None, None) for asset in members])
    return store_universe(Layout.of(settings), name, rows, keep=True)


def test_without_a_universe_it_is_what_was_published(home):
    settings, _, panel = home
    found = read_cross_section(settings, AT)
    assert found.equals(panel.filter(pl.col("event_timestamp") == AT).select(found.columns))
    assert find_newest_hour(settings, datetime(2030, 1, 1, tzinfo=UTC)) == START + 240 * HOUR
    assert find_newest_hour(settings, AT + timedelta(minutes=59)) == AT


def test_what_compares_assets_compares_the_members_alone(home):
    settings, rows, panel = home
    members = NAMES[2:7]
    found = read_cross_section(settings, AT, snapshot(settings, "five", members))
    bars = {row["asset"]: row for row in rows.filter(pl.col("event_timestamp") == AT).iter_rows(named=True)}
    per_hour = {asset: bars[asset]["funding_rate"] / bars[asset]["funding_interval_h"] for asset in members}
    middle = median(per_hour.values())
    mean = sum(bars[asset]["volume_quote"] for asset in members) / 5
    assert found["asset"].to_list() == list(members)
    for row in found.iter_rows(named=True):
        assert row["funding_pressure"] == pytest.approx(per_hour[row["asset"]] - middle)
        assert row["relative_volume"] == pytest.approx(bars[row["asset"]]["volume_quote"] / mean)
        assert row["assets_observed"] == 5
    own = pl.col("event_timestamp") == AT
    kept = ("asset", "momentum_24h", "turnover_ratio", "price_efficiency", "volatility_regime")
    assert found.select(kept).equals(panel.filter(own, pl.col("asset").is_in(members)).select(kept))


def test_what_becomes_known_later_changes_nothing(home, tmp_path):
    settings, rows, panel = home
    other = settings.model_copy(update={"home": tmp_path})
    publish(Layout.of(other), ASSET_HOURLY, rows)
    publish(Layout.of(other), ASSET_CROSS_SECTION, panel)
    late = pl.lit(AT + timedelta(seconds=31), pl.Datetime("us", "UTC")).alias("created_timestamp")
    own = pl.col("event_timestamp") == AT
    publish(Layout.of(other), ASSET_HOURLY, rows.filter(own).with_columns(late, pl.col("volume_quote") * 9))
    publish(Layout.of(other), ASSET_CROSS_SECTION, panel.filter(own).with_columns(late, pl.col("momentum_24h") * 9))
    before = snapshot(other, "some", NAMES[:4])
    after = snapshot(other, "some", NAMES[4:], AT + HOUR)
    assert read_cross_section(other, AT).equals(read_cross_section(settings, AT))
    assert read_cross_section(other, AT, after).equals(read_cross_section(settings, AT, before))


def test_a_panel_of_a_few_is_refused(home):
    settings, *_ = home
    with pytest.raises(MissingDataError, match="4 of 9 members"):
        read_cross_section(settings, AT, snapshot(settings, "few", (*NAMES[:4], "A", "B", "D", "E", "F")))
    with pytest.raises(MissingDataError, match="nothing is known"):
        read_cross_section(settings, AT + 40 * DAY)
    with pytest.raises(MissingDataError, match="0 of 0 members"):
        read_cross_section(settings, AT, snapshot(settings, "nobody", ()))


def test_the_command_prints_and_writes_it(home, tmp_path, monkeypatch):
    settings, *_ = home
    monkeypatch.chdir(tmp_path)
    snapshot(settings, "three", NAMES[:3])
    environment = {"PAIRITY_HOME": str(settings.home), "PAIRITY_UNIVERSE__ASSETS": json.dumps(NAMES)}
    done = CliRunner().invoke(
        main, ["cross-section", "--universe", "three", "--at", f"{AT:%Y-%m-%dT%H:%M}"], env=environment
    )
    assert done.exit_code == 0, done.output
    assert "cross-section at 2025-03-10 04:00 UTC, 3 assets" in done.output
    folder = settings.home / "reports" / "cross-section"
    assert pl.read_parquet(folder / "2025-03-10T0400-three.parquet").height == 3
    assert pl.read_csv(folder / "2025-03-10T0400-three.csv")["asset"].to_list() == list(NAMES[:3])
    assert CliRunner().invoke(main, ["cross-section", "--at", "2031-01-01"], env=environment).exit_code == 4
