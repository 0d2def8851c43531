"""The exported data set against dictionaries: each value is of the very bar, as known at the decision."""

import json
from datetime import timedelta

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.catalog import ASSET_HOURLY, PAIR_HOURLY, VIEWS
from feature_repo.offline_files import publish, scan_view
from pairity.errors import ConfigError, MissingDataError, TimeRangeError, UnknownNameError
from pairity.layout import Layout
from pairity_cli.main import main
from tests.training.generated import HOUR, START
from tests.training.published import NOW, brute_join, publish_all, publish_single_assets, settings_for
from training.data.export import add_labels, collect_rows, find_views, split_rows
from training.data.training_sets import build_training_set, choose_pair_service

LAG = timedelta(seconds=30)
BARS = 120
RANGE = START + 20 * HOUR, START + 90 * HOUR
UTC_US = pl.Datetime("us", "UTC")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A bar of BTC and a row of BTC__ETH are corrected late, a row of ETH__SOL a moment before its decision."""
    settings = settings_for(tmp_path_factory.mktemp("home"))
    layout = publish_all(settings, bars=BARS)
    publish_single_assets(settings)
    for view, entity, name, after in (
        (ASSET_HOURLY, "BTC", "close", HOUR),
        (PAIR_HOURLY, "BTC__ETH", "z_score", HOUR),
        (PAIR_HOURLY, "ETH__SOL", "z_score", LAG),
    ):
        at = START + 50 * HOUR
        rows = (
            scan_view(layout, view)
            .collect()
            .filter((pl.col(view.entity) == entity) & (pl.col("event_timestamp") == at))
        )
        known = pl.lit(at + after, UTC_US).alias("created_timestamp")
        publish(layout, view, rows.with_columns(known, (pl.col(name) * 2 + 1).alias(name)))
    return settings


def known_values(settings, view):
    """(entity, bar) → the row as known at its decision, by a walk over all versions."""
    best = {}
    for row in scan_view(Layout.of(settings), view).collect().iter_rows(named=True):
        key = row[view.entity], row["event_timestamp"]
        if row["created_timestamp"] > row["event_timestamp"] + LAG:
            continue
        if key not in best or row["created_timestamp"] > best[key]["created_timestamp"]:
            best[key] = row
    return best


def test_every_value_is_of_the_very_bar_as_known_at_the_decision(home):
    views = find_views(["pair_hourly", "asset_hourly", "asset_lags"])
    rows = collect_rows(home, views, NOW, RANGE)
    known = {view.name: known_values(home, view) for view in views}
    hours = [RANGE[0] + number * HOUR for number in range(71)]
    assert rows.select("event_timestamp", "pair_id").rows() == [
        (hour, pair.pair_id) for hour in hours for pair in home.universe.pairs
    ]
    for row in rows.iter_rows(named=True):
        at = row["event_timestamp"]
        assert row["decision_time"] == at + LAG
        assert row["known"]
        for name in PAIR_HOURLY.feature_names:
            assert row[name] == known["pair_hourly"][row["pair_id"], at][name]
        for side, asset in zip(("base", "quote"), row["pair_id"].split("__"), strict=True):
            for name in ASSET_HOURLY.feature_names:
                assert row[f"{side}__{name}"] == known["asset_hourly"][asset, at][name]
            assert row[f"{side}__log_return_lag_3"] == known["asset_lags"][asset, at]["log_return_lag_3"]
    corrected = rows.filter(pl.col("event_timestamp") == START + 50 * HOUR)
    stored = scan_view(Layout.of(home), PAIR_HOURLY).collect()
    newest = stored.sort("created_timestamp").unique(["pair_id", "event_timestamp"], keep="last")
    values = (
        corrected.join(newest, on=["pair_id", "event_timestamp"]).select("pair_id", "z_score", "z_score_right").rows()
    )
    differing = [name for name, seen, today in values if seen != today]
    assert differing == ["BTC__ETH"]  # known an hour later; the other correction came in time


def test_names_that_views_share_say_whose_they_are(home):
    rows = collect_rows(home, find_views(["asset_hourly", "asset_vwap_distance"]), NOW, RANGE)
    shared = set(ASSET_HOURLY.feature_names) & set(VIEWS["asset_vwap_distance"].feature_names)
    assert "close" in shared
    for name in shared:
        assert {f"asset_hourly__{name}", f"asset_vwap_distance__{name}"} <= set(rows.columns)
        assert name not in rows.columns
    ranks = rows.filter(pl.col("ranked_dist").is_not_null())  # every fourth hour of New York, and nothing carried
    assert ranks.height == pytest.approx(rows.height / 4, abs=3)


def test_rows_that_came_after_their_decision_are_not_known(home, tmp_path):
    settings = settings_for(tmp_path)
    layout = publish_all(settings, bars=60)
    late = pl.lit(START + 40 * HOUR + LAG * 2, UTC_US).alias("created_timestamp")
    folder = layout.features / "pair_hourly" / "month=2025-03"
    stored = pl.concat([pl.read_parquet(path) for path in folder.glob("*.parquet")])
    for path in folder.glob("*.parquet"):
        path.unlink()
    at = pl.col("event_timestamp") == START + 40 * HOUR
    publish(layout, PAIR_HOURLY, pl.concat([stored.filter(~at), stored.filter(at).with_columns(late)]))
    rows = collect_rows(settings, find_views(["pair_hourly"]), NOW, (START + 39 * HOUR, START + 41 * HOUR))
    assert rows["known"].to_list() == [True] * 3 + [False] * 3 + [True] * 3
    assert rows.filter(~pl.col("known"))["z_score"].null_count() == 3


def test_labels_are_those_of_training_and_no_part_sees_the_next(home):
    join = brute_join(home)
    rows = add_labels(home, collect_rows(home, find_views(["pair_hourly"]), NOW, RANGE), join, NOW)
    trained = build_training_set(home, choose_pair_service(home), join, NOW).rows
    both = rows.join(trained, on=["pair_id", "event_timestamp"], suffix="_trained", maintain_order="left")
    assert both.height == rows.height
    assert both["label"].to_list() == both["label_trained"].to_list()
    assert both["label"].null_count() == 3 * 3  # the first z-score is that of the 24th bar; what follows is known
    cuts = [START + 50 * HOUR, START + 70 * HOUR]
    exported = split_rows(rows, cuts, horizon_bars=home.label.horizon_bars)
    times = [(part["event_timestamp"].min(), part["event_timestamp"].max()) for part in exported.parts.values()]
    assert list(exported.parts) == ["train", "valid", "test"]
    assert times == [(RANGE[0], cuts[0] - 13 * HOUR), (cuts[0], cuts[1] - 13 * HOUR), (cuts[1], RANGE[1])]
    assert exported.purged == 2 * 12 * 3
    assert exported.parts["train"]["t1"].max() < cuts[0]
    with pytest.raises(ConfigError, match="labels are of pairs"):
        add_labels(home, collect_rows(home, find_views(["asset_hourly"]), NOW, RANGE), join, NOW)


@given(
    moments=st.lists(st.integers(0, 40), min_size=1, max_size=25),
    cuts=st.lists(st.integers(-2, 42), max_size=2, unique=True).map(sorted),
    horizon=st.none() | st.integers(0, 10),
    early=st.integers(0, 10),
)
def test_parts_are_those_of_a_loop(moments, cuts, horizon, early):
    rows = pl.DataFrame({"event_timestamp": [START + n * HOUR for n in moments], "place": range(len(moments))})
    if horizon is not None:
        at = pl.col("event_timestamp")
        rows = rows.with_columns(t0=at, t1=at + min(early, horizon) * HOUR)  # known early or not, the horizon counts
    expected = {}
    for place, moment in enumerate(moments):
        number = sum(moment >= cut for cut in cuts)
        name = (("data",), ("train", "test"), ("train", "valid", "test"))[len(cuts)][number]
        if number < len(cuts) and horizon is not None and moment + horizon >= cuts[number]:
            continue
        expected.setdefault(name, []).append(place)
    boundaries = [START + cut * HOUR for cut in cuts]
    if len(expected) < len(cuts) + 1:
        with pytest.raises(MissingDataError, match="would have no row"):
            split_rows(rows, boundaries, horizon_bars=horizon or 0)
        return
    exported = split_rows(rows, boundaries, horizon_bars=horizon or 0)
    assert {name: part["place"].to_list() for name, part in exported.parts.items()} == expected
    assert exported.purged == len(moments) - sum(map(len, expected.values()))


def test_what_cannot_be_exported_is_refused(home):
    for names, error, message in (
        ([], ConfigError, "no view is named"),
        (["pair_hourly", "pair_hourly"], ConfigError, "named twice"),
        (["pair_hourli"], UnknownNameError, "pair_hourli"),
    ):
        with pytest.raises(error, match=message):
            find_views(names)
    with pytest.raises(MissingDataError, match="pair_hourly has no row"):
        collect_rows(home, find_views(["pair_hourly"]), NOW, (START - 9 * HOUR, START - HOUR))
    rows = collect_rows(home, find_views(["asset_lags"]), NOW, RANGE)
    with pytest.raises(ConfigError, match="3 boundaries"):
        split_rows(rows, [START, START + HOUR, START + 2 * HOUR], horizon_bars=1)
    with pytest.raises(TimeRangeError, match="do not ascend"):
        split_rows(rows, [START + HOUR, START], horizon_bars=1)


def test_the_command_writes_parts_and_leaves_a_persons_files_alone(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(home.root))
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", json.dumps(home.universe.assets))
    monkeypatch.setenv("PAIRITY_LABEL__HORIZON_BARS", "12")
    run = ["export", "pair_hourly", "asset_lags", "--split", "2025-03-03,2025-03-04"]
    done = CliRunner().invoke(main, run)
    assert done.exit_code == 0, done.output
    own = home.root / "reports" / "export"
    assert sorted(path.name for path in own.iterdir()) == ["test.parquet", "train.parquet", "valid.parquet"]
    whole = CliRunner().invoke(main, ["export", "asset_lags", "--format", "csv", "--since", "2025-03-02"])
    assert whole.exit_code == 0, whole.output
    assert [path.name for path in own.iterdir()] == ["data.csv"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.csv").write_text("mine")
    done = CliRunner().invoke(main, ["export", "asset_lags", "--output", str(tmp_path / "mine")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "mine" / "train.csv").read_text() == "mine"
    assert "train.csv lies beside them" in done.output
    for wrong in (["--split", "yesterday"], ["--split", "2025-03-04,2025-03-03"], ["--since", "2030-01-01"]):
        refused = CliRunner().invoke(main, ["export", "asset_lags", *wrong])
        assert refused.exit_code not in (0, 1), refused.output
        assert "error:" in refused.output
