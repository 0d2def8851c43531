"""Sheets with a chosen VWAP, return window and Sharpe horizon, and of a stored universe, against pandas."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import ASSET_HOURLY, ASSET_VWAP_DISTANCE
from feature_repo.feature_store import apply_definitions, open_store
from feature_repo.offline_files import publish
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.vwap_distance import compute_vwap_distance
from feature_repo.universes import make_snapshot, store_universe
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import FeatureSettings, Settings, UniverseSettings
from pairity_cli.main import main
from tests.feature_repo.transforms.markets import DAY, HOUR, candles, settlements
from tests.oracles import vwap_pandas
from training.sheet_choices import SheetChoice
from training.trade_sheet import build_trade_sheet, evaluate_sheets, find_decision_time, find_newest_day

START = datetime(2025, 3, 1, tzinfo=UTC)
NAMES = tuple(f"C{number:02}" for number in range(12))
LAST = 24 * 14
CHOSEN = date(2025, 3, 12)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    settings = Settings(home=tmp_path_factory.mktemp("choices"), universe=UniverseSettings(assets=NAMES))
    hours = adopt_native_hours(candles(NAMES, LAST, start=START, seed=8, gaps=0.02).lazy())
    rows = compute_asset_hourly(hours, settlements((), 1).lazy(), FeatureSettings()).collect()
    layout = Layout.of(settings)
    publish(layout, ASSET_HOURLY, rows)
    bars = compute_vwap_distance(rows.lazy(), START, START + LAST * HOUR, settings.vwap).collect()
    publish(layout, ASSET_VWAP_DISTANCE, bars)
    store = open_store(settings)
    apply_definitions(settings, store)
    return settings, store, rows


def oracle(rows, asset, w, decided):
    own = rows.filter(pl.col("asset") == asset, pl.col("event_timestamp") <= decided).to_pandas()
    bars = vwap_pandas.bars_of(own, "America/New_York", 4)
    bars = bars[bars.index + timedelta(hours=4) <= decided.astimezone(UTC).replace(tzinfo=None) - timedelta(hours=4)]
    return vwap_pandas.distances(bars, 4, w, 6).iloc[-1]


def test_return_window_and_sharpe_horizon_are_those_that_were_chosen(published):
    settings, store, rows = published
    decided = find_decision_time(CHOSEN, settings)
    sheet = build_trade_sheet(settings, store, CHOSEN, 12, choice=SheetChoice(return_bars=12, sharpe_bars=20))
    reference = build_trade_sheet(settings, store, CHOSEN, 12)
    unchanged = ("futures_ticker", "dist", "rank", "exp_vol", "avg_notional", "vwap")
    assert sheet.select(unchanged).equals(reference.select(unchanged))
    for row in sheet.iter_rows(named=True):
        asset = row["futures_ticker"].removesuffix("_USDT")
        assert row["rolling_return"] == pytest.approx(oracle(rows, asset, 12, decided)["rolling_return"])
        assert row["sharpe"] == pytest.approx(oracle(rows, asset, 20, decided)["sharpe"])
    assert sheet["rolling_return"].null_count() == 0


def test_the_simple_vwap_is_the_mean_of_central_prices_and_ranks_anew(published):
    settings, store, rows = published
    decided = find_decision_time(CHOSEN, settings)
    sheet = build_trade_sheet(settings, store, CHOSEN, 12, choice=SheetChoice(vwap="simple"))
    expected = {}
    for name in NAMES:
        own = oracle(rows, name, 6, decided)
        expected[f"{name}_USDT"] = 100 * (own["close"] / own["vwap_simple"] - 1)
    assert dict(sheet.select("futures_ticker", "dist").iter_rows()) == pytest.approx(expected)
    assert sheet["futures_ticker"].to_list() == sorted(expected, key=expected.get, reverse=True)
    assert sheet["ranked_dist"].to_list() == pytest.approx([(12 - place) / 12 for place in range(12)])


def with_universe(settings, tmp_path, name="mine"):
    """C00–C03 first, C04–C07 from 10 March on, nobody from 13 March on."""
    layout = Layout.of(settings)
    groups = [(5, NAMES[:4]), (9, NAMES[4:8]), (12, ())]
    rows = [
        make_snapshot("okx", START + day * DAY, [(asset, 1.0, 5000, None) for asset in group]) for day, group in groups
    ]
    return store_universe(layout, name, pl.concat(rows), keep=False)


def test_a_universe_is_ranked_among_its_members_of_that_day(published, tmp_path):
    settings, store, _ = published
    universe = with_universe(settings, tmp_path)
    whole = build_trade_sheet(settings, store, date(2025, 3, 8), 12)
    order = [ticker for ticker in whole["futures_ticker"] if ticker.removesuffix("_USDT") in NAMES[:4]]
    early = build_trade_sheet(settings, store, date(2025, 3, 8), 12, universe=universe)
    assert early["futures_ticker"].to_list() == order
    assert early["ranked_dist"].to_list() == [1.0, 0.75, 0.5, 0.25]
    assert early["assets_ranked"].to_list() == [4] * 4
    late = build_trade_sheet(settings, store, CHOSEN, 12, universe=universe)
    assert sorted(late["futures_ticker"]) == [f"{name}_USDT" for name in NAMES[4:8]]
    with pytest.raises(MissingDataError, match="not known at 2025-03-04"):
        build_trade_sheet(settings, store, date(2025, 3, 4), 12, universe=universe)
    with pytest.raises(MissingDataError, match="no asset has a distance"):
        build_trade_sheet(settings, store, date(2025, 3, 13), 12, universe=universe)


def test_later_snapshots_change_no_earlier_sheet(published, tmp_path):
    settings, store, _ = published
    universe = with_universe(settings, tmp_path, "first")
    more = make_snapshot("okx", START + 11 * DAY, [(NAMES[11], 1.0, 5000, None)])
    other = store_universe(Layout.of(settings), "first", more, keep=True)
    for day in (date(2025, 3, 7), date(2025, 3, 11)):
        sheets = [build_trade_sheet(settings, store, day, 12, universe=each) for each in (universe, other)]
        assert sheets[0].equals(sheets[1])
    assert build_trade_sheet(settings, store, date(2025, 3, 12), 12, universe=other)["futures_ticker"].to_list() == [
        "C11_USDT"
    ]


def test_sheets_of_a_universe_are_evaluated_on_their_members(published, tmp_path):
    settings, store, _ = published
    universe = with_universe(settings, tmp_path)
    report = evaluate_sheets(settings, store, date(2025, 3, 7), date(2025, 3, 11), 2, universe=universe)
    assert report.days == 5
    assert report.by_bucket["count"].sum() == 5 * 4


def test_the_newest_day_is_the_last_one_that_the_data_decide(published, tmp_path):
    settings, _, _ = published
    # Hours end at 2025-03-15 00:00 UTC: the bar that the 15th needs closes four hours later.
    for now in (datetime(2025, 3, 15, 5, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)):
        assert find_newest_day(now, settings) == date(2025, 3, 14)
    assert find_newest_day(datetime(2025, 3, 10, 3, tzinfo=UTC), settings) == date(2025, 3, 9)
    assert find_newest_day(datetime(2026, 1, 1, tzinfo=UTC), settings, with_universe(settings, tmp_path)) == CHOSEN
    with pytest.raises(MissingDataError, match="no day can be decided"):
        find_newest_day(datetime(2025, 1, 1, tzinfo=UTC), settings)
    with pytest.raises(MissingDataError, match="no day can be decided"):
        find_newest_day(datetime(2026, 1, 1, tzinfo=UTC), settings.model_copy(update={"home": tmp_path}))


def test_the_command_takes_the_newest_day_where_no_date_is_given(published, tmp_path, monkeypatch):
    settings, _, _ = published
    monkeypatch.chdir(tmp_path)
    environment = {"PAIRITY_HOME": str(settings.home), "PAIRITY_UNIVERSE__ASSETS": str(list(NAMES)).replace("'", '"')}

    def run(*arguments):
        return CliRunner().invoke(main, ["trade-sheet", *arguments], env=environment)

    for arguments in (("--date",), (), ("--date", "--top", "3")):
        done = run(*arguments)
        assert done.exit_code == 0, done.output
        assert "trade sheet of 2025-03-14, 12 assets ranked" in done.output
        assert "e+" not in done.output
    folder = settings.home / "reports" / "trade-sheet"
    assert pl.read_csv(folder / "2025-03-14.csv").columns == pl.read_parquet(folder / "2025-03-14.parquet").columns
    assert run("--vwap", "simple", "--sharpe-bars", "9").exit_code == 0
    assert (folder / "2025-03-14-simple-s9.csv").exists()
    for arguments, text in (
        (("--date", "soon"), "is no day"),
        (("--universe", "nothing"), "unknown universe 'nothing'"),
        (("--return-bars", "2"), "3<=x<=60"),
        (("--from", "2025-03-01"), "are of --evaluate"),
    ):
        done = run(*arguments)
        assert done.exit_code == 2
        assert text in done.output
