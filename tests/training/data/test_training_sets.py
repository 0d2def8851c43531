import json
from datetime import timedelta

import polars as pl
import pytest

from feature_repo.catalog import ASSET_HOURLY, PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.offline_files import publish, scan_view
from pairity.errors import JoinError, MissingDataError
from pairity.layout import Layout
from tests.training.generated import HOUR, START
from tests.training.published import NOW, SNAPSHOT, brute_join, publish_all, settings_for
from training.data.history import load_history
from training.data.point_in_time import read_snapshot_id
from training.data.training_sets import KEY, build_training_set, digest_training_rows
from training.labels.triple_barrier import label_triple_barrier, withhold_unwatched


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("home"), assets=("BTC", "ETH"))
    publish_all(settings, bars=120)
    return settings


@pytest.fixture
def fresh(tmp_path):
    settings = settings_for(tmp_path, assets=("BTC", "ETH"))
    publish_all(settings, bars=120)
    return settings


def build(settings, now=NOW, join=None):
    return build_training_set(settings, PAIR_FOREST_FEATURES, join or brute_join(settings), now)


def republish(settings, event, created, **values):
    """A later version of the pair row of `event`, as a correction leaves it."""
    layout = Layout.of(settings)
    rows = scan_view(layout, PAIR_HOURLY).filter(pl.col("event_timestamp") == event).collect()
    changed = rows.with_columns(pl.lit(value).alias(name) for name, value in values.items())
    publish(
        layout, PAIR_HOURLY, changed.with_columns(pl.lit(created).dt.cast_time_unit("us").alias("created_timestamp"))
    )


def row_at(training_set, event):
    return training_set.rows.row(by_predicate=pl.col("event_timestamp") == event, named=True)


def test_one_row_per_pair_and_published_hour_with_its_decision_time(home):
    training_set = build(home)
    assert training_set.rows.height == 120
    assert training_set.rows.select(KEY).is_unique().all()
    lag = training_set.rows["decision_time"] - training_set.rows["event_timestamp"]
    assert lag.unique().to_list() == [timedelta(seconds=30)]
    assert training_set.snapshot_id == SNAPSHOT
    assert training_set.rows["known"].all()


def test_labels_look_ahead_by_the_horizon_and_end_where_the_future_does(home):
    training_set = build(home)
    labelled = training_set.labelled(home.label)
    assert (labelled["t1"] - labelled["t0"]).unique().to_list() == [12 * HOUR]
    assert (labelled["t0"] == labelled["event_timestamp"]).all()
    assert labelled["event_timestamp"].max() == START + (119 - 12) * HOUR
    assert set(labelled["label"].unique()) == {0, 1}


def test_candidates_are_the_rows_beyond_the_entry_level(home):
    training_set = build(home)
    few = training_set.labelled(home.label.model_copy(update={"rows": "candidates"}))
    everything = training_set.labelled(home.label)
    assert 0 < few.height < everything.height
    assert few["z_score"].abs().min() > home.label.z_entry
    assert few["label"].sum() == everything["label"].sum()  # only candidates can have label 1


def test_a_correction_after_the_decision_changes_the_outcome_but_not_what_was_known(fresh):
    event = START + 60 * HOUR
    before = row_at(build(fresh), event)
    republish(fresh, event, event + timedelta(days=2), z_score=4.5)
    after = row_at(build(fresh), event)
    assert after["z_score"] == before["z_score"]
    assert after["label"] == before["label"]
    # the correction of a later spread is the truth about what followed
    republish(fresh, event + HOUR, event + timedelta(days=2), spread=1e-6)
    outcome = row_at(build(fresh), event)
    assert outcome["label"] == int(before["z_score"] > 1.0 or (before["z_score"] < -1.0 and before["label"] == 1))


def test_nothing_that_became_known_after_now_is_used(fresh):
    now = START + 110 * HOUR + timedelta(minutes=1)
    event = START + 60 * HOUR
    training_set = build(fresh, now)
    republish(fresh, event + HOUR, now + HOUR, spread=1e-6)
    assert build(fresh, now).rows.equals(training_set.rows)
    assert training_set.rows["event_timestamp"].max() == START + 110 * HOUR


def test_a_row_that_arrived_after_its_decision_is_not_learnt_from(fresh):
    layout = Layout.of(fresh)
    late = START + 120 * HOUR
    row = scan_view(layout, PAIR_HOURLY).filter(pl.col("event_timestamp") == START + 119 * HOUR).collect()
    publish(
        layout,
        PAIR_HOURLY,
        row.with_columns(
            event_timestamp=pl.lit(late).dt.cast_time_unit("us"),
            created_timestamp=pl.lit(late + timedelta(minutes=5)).dt.cast_time_unit("us"),
        ),
    )
    found = row_at(build(fresh), late)
    assert found["known"] is False
    assert all(found[name] is None for name in PAIR_FOREST_FEATURES.features)


def test_a_join_that_drops_a_row_is_refused(home):
    join = brute_join(home)
    with pytest.raises(JoinError, match="returned 119 rows for 120"):
        build(home, join=lambda name, rows: join(name, rows).head(-1))


def test_a_join_that_reorders_rows_is_refused(home):
    join = brute_join(home)
    with pytest.raises(JoinError, match="another order"):
        build(home, join=lambda name, rows: join(name, rows).reverse())


def test_the_digest_is_that_of_rows_columns_and_bits(home):
    rows = build(home).labelled(home.label)
    digest = digest_training_rows(rows)
    assert digest == digest_training_rows(build(home).labelled(home.label))
    assert digest == digest_training_rows(pl.concat([rows.head(7), rows.tail(-7)], rechunk=False))
    flipped = rows.with_columns(label=1 - pl.col("label"))
    assert len({digest, digest_training_rows(flipped), digest_training_rows(rows.reverse())}) == 3


def test_too_short_a_history_is_refused_with_counts_need_and_remedy(tmp_path):
    settings = settings_for(tmp_path, assets=("BTC", "ETH"), horizon=102)
    publish_all(settings, bars=150)
    with pytest.raises(MissingDataError) as caught:
        build(settings)
    assert "1 pair has features at 150 hours, 25 of them with all 102 future bars; 180 are needed" in caught.value.what
    assert "21 days in all" in caught.value.remedy


def test_without_features_training_points_to_ingest(tmp_path):
    settings = settings_for(tmp_path)
    with pytest.raises(MissingDataError, match="make ingest"):
        build_training_set(settings, PAIR_FOREST_FEATURES, lambda name, rows: rows, NOW)


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"snapshot": "x"})])
def test_a_snapshot_file_that_names_none_is_refused(tmp_path, content):
    layout = Layout(tmp_path)
    layout.features.mkdir()
    (layout.features / "snapshot.json").write_text(content)
    with pytest.raises(MissingDataError, match="does not name a snapshot"):
        read_snapshot_id(layout)


def test_a_universe_whose_pairs_are_not_published_is_refused(home):
    other = home.model_copy(update={"universe": home.universe.model_copy(update={"assets": ("SOL", "XRP")})})
    with pytest.raises(MissingDataError, match="any of the 1 pair"):
        build(other)


# triple_barrier


@pytest.fixture(scope="module")
def barriers(tmp_path_factory):
    settings = settings_for(
        tmp_path_factory.mktemp("home"),
        assets=("BTC", "ETH"),
        label={"kind": "triple_barrier"},
        strategy={"stop_atr": 2.0, "target_atr": 2.0},
    )
    publish_all(settings, bars=120)
    return settings


def test_both_kinds_of_label_stand_on_the_same_rows(home, barriers):
    touch, barrier = build(home), build(barriers)
    assert touch.rows.drop("label", "t1").equals(barrier.rows.drop("label", "t1", "net_return"))
    assert set(barrier.labelled(barriers.label)["label"].unique()) == {0, 1}
    earned = barrier.rows.drop_nulls("net_return")
    assert (earned["z_score"].abs() > 1.0).all()
    assert (earned["label"] == (earned["net_return"] > 0).cast(pl.Int8)).all()
    lengths = (earned["t1"] - earned["t0"]).dt.total_hours()
    assert 0 < lengths.min() < lengths.max() == 12
    aside = barrier.labelled(barriers.label).filter(pl.col("net_return").is_null())
    assert aside["label"].unique().to_list() == [0]
    assert (aside["t1"] - aside["t0"]).unique().to_list() == [12 * HOUR]


@pytest.mark.parametrize("legs", ["base", "both"])
def test_barrier_labels_are_those_of_the_market_that_a_backtest_walks_through(barriers, legs):
    both = barriers.model_copy(update={"strategy": barriers.strategy.model_copy(update={"legs": legs})})
    training_set = build(both)
    assert training_set.rows["net_return"].count() > 10
    history, _ = load_history(both, brute_join(both), START, training_set.last_decision, NOW)
    labels = withhold_unwatched(label_triple_barrier(training_set.rows, history, both), both.label.horizon_bars)
    assert training_set.rows.select(labels.columns).equals(labels)


def test_a_bar_corrected_later_changes_the_outcome_if_the_correction_was_known_by_now(tmp_path):
    settings = settings_for(
        tmp_path,
        assets=("BTC", "ETH"),
        label={"kind": "triple_barrier"},
        strategy={"stop_bounds": (0.5, 0.6), "target_bounds": (0.5, 0.6), "stop_default": 0.5, "target_default": 0.5},
    )
    publish_all(settings, bars=120)
    layout, now = Layout.of(settings), START + 130 * HOUR
    before = build(settings, now)
    event = before.rows.drop_nulls("net_return")["event_timestamp"][20]
    row = scan_view(layout, ASSET_HOURLY).filter(asset="BTC", event_timestamp=event + 2 * HOUR).collect()
    spike = row.with_columns(
        high=pl.col("close") * 9,
        low=pl.col("close") / 9,
        atr_14=1e6,
        created_timestamp=pl.lit(now + HOUR).dt.cast_time_unit("us"),
    )
    publish(layout, ASSET_HOURLY, spike)
    assert build(settings, now).rows.equals(before.rows)
    found = row_at(build(settings, now + HOUR), event)
    assert (found["label"], found["t1"]) == (0, event + 2 * HOUR)
    assert found["net_return"] < -0.5
    assert {name: found[name] for name in PAIR_FOREST_FEATURES.features} == {
        name: row_at(before, event)[name] for name in PAIR_FOREST_FEATURES.features
    }


def test_too_short_a_history_for_positions_says_so(tmp_path):
    settings = settings_for(tmp_path, assets=("BTC", "ETH"), horizon=102, label={"kind": "triple_barrier"})
    publish_all(settings, bars=150)
    with pytest.raises(MissingDataError, match="with a position whose end is known, or all 102 future bars"):
        build(settings)
