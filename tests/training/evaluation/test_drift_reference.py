"""Reference of drift: limits from the training's own months, pooled and per pair; what drifts is found, and named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_registry.drift_file import DRIFT_FILE, read_ranges
from model_registry.records import DRIFT_TAG, ModelRef
from pairity.errors import MissingDataError, ModelIntegrityError, RegistryError
from pairity.layout import Layout
from training.evaluation.drift import SCORE, compute_stability_index
from training.evaluation.drift_limits import calibrate_limits
from training.evaluation.drift_reference import (
    MONTH_H,
    DriftReference,
    freeze_reference,
    tabulate_reference_drift,
)
from training.reports.drift_files import read_reference, write_reference
from training.reports.matplotlib_figures import draw_drift

START = datetime(2025, 1, 1, tzinfo=UTC)
PAIRS = ("BTC__ETH", "BTC__SOL", "ETH__SOL")
FEATURES = ("z_score", "funding_spread")
END = START + timedelta(hours=6 * MONTH_H - 1)


def make_world(months, *, first=0, seed=0):
    """Rows of hours from month `first` on: features and score remember about a day, and months differ a little."""
    rng, hours = np.random.default_rng(seed), months * MONTH_H
    times = [START + timedelta(hours=first * MONTH_H + hour) for hour in range(hours)]
    shifts = np.repeat(rng.normal(0, 0.15, months), MONTH_H)
    columns = {"pair_id": np.repeat(PAIRS, hours), "event_timestamp": times * len(PAIRS)}
    for name in (*FEATURES, SCORE):
        columns[name] = np.concatenate([shifts + _remember(rng, hours) for _ in PAIRS])
    rows = pl.DataFrame(columns)
    return rows.drop(SCORE), rows.select("pair_id", "event_timestamp", SCORE)


def _remember(rng, hours, memory=0.9):
    from scipy.signal import lfilter

    return lfilter([np.sqrt(1 - memory**2)], [1, -memory], rng.normal(size=hours))


def frozen(rows, scores):
    return freeze_reference(rows, scores, FEATURES, service="s", train_end=END)


@pytest.fixture(scope="module")
def reference():
    return frozen(*make_world(6))


@pytest.fixture(scope="module")
def month():
    return make_world(1, first=6, seed=1)


def test_every_feature_and_the_scores_have_a_limit_pooled_and_per_pair(reference):
    assert {(one.name, one.pair) for one in reference.series} == {
        (name, pair) for name in (*FEATURES, SCORE) for pair in (None, *PAIRS)
    }
    assert reference.months == 6
    assert all(one.limit is not None and 0 < one.limit < 5 for one in reference.series)
    assert reference.pooled.alarms is not None
    assert reference.per_pair.months is not None


def test_the_same_population_stays_within_and_the_index_is_the_plain_one(reference, month):
    rows, scores = month
    table = tabulate_reference_drift(reference, rows, scores)
    assert table["beyond"].sum() <= 1
    assert set(table["hours"]) == {MONTH_H}
    one = table.filter((pl.col("feature") == "z_score") & (pl.col("pair") == "BTC__SOL"))
    then, _ = make_world(6)
    values = [frame.filter(pl.col("pair_id") == "BTC__SOL")["z_score"].to_numpy() for frame in (then, rows)]
    assert one["psi"][0] == pytest.approx(compute_stability_index(*values))


def test_one_pair_that_drifts_is_named_and_hidden_in_the_pool(reference, month):
    rows, scores = month
    moved = rows.with_columns(
        pl.when(pl.col("pair_id") == "BTC__SOL").then(pl.col("z_score") + 2.5).otherwise("z_score").alias("z_score")
    )
    table = tabulate_reference_drift(reference, moved, scores)
    assert table.row(0)[:2] == ("z_score", "BTC__SOL")
    beyond = table.filter(pl.col("beyond"))
    assert ("z_score", "BTC__SOL") in set(beyond.select("feature", "pair").rows())
    assert not {("z_score", "BTC__ETH"), ("z_score", "ETH__SOL")} & set(beyond.select("feature", "pair").rows())


def test_scores_that_drift_are_found_pooled(reference, month):
    rows, scores = month
    table = tabulate_reference_drift(reference, rows, scores.with_columns(pl.col(SCORE) - 2.0))
    assert table.filter((pl.col("feature") == SCORE) & pl.col("pair").is_null())["beyond"].to_list() == [True]


def test_a_few_days_are_not_judged_and_null_scores_are_no_scores(reference, month):
    rows, scores = (
        frame.filter(pl.col("event_timestamp") < START + timedelta(hours=6 * MONTH_H + 48)) for frame in month
    )
    table = tabulate_reference_drift(reference, rows, scores.with_columns(pl.lit(None, pl.Float64).alias(SCORE)))
    assert table["beyond"].null_count() == table.height
    assert table.filter(pl.col("feature") == SCORE)["rows"].sum() == 0
    assert tabulate_reference_drift(reference, rows.clear(), scores.clear())["psi"].null_count() == table.height


def test_a_short_training_has_no_limits():
    short = frozen(*make_world(3))
    assert {one.limit for one in short.series} == {None}
    assert (short.pooled.alarms, short.months) == (None, 3)


def test_the_bytes_are_those_of_the_reference_and_nothing_else_is_read(reference):
    again = DriftReference.from_json(reference.to_json())
    assert set(again.ranges) == set(FEATURES)
    assert read_ranges(reference.to_json()) == reference.ranges
    assert again.to_json() == reference.to_json() == frozen(*make_world(6)).to_json()
    for content in (b"", b"[]", b"{}", b'{"service": 1}', b"\xff"):
        with pytest.raises(RegistryError):
            DriftReference.from_json(content)
    for content in (b"", b"[]", b"{}", b'{"ranges": [1]}', b'{"ranges": {"a": [1]}}', b'{"ranges": {"a": [1, NaN]}}'):
        with pytest.raises(RegistryError):
            read_ranges(content)


def model_of(**tags):
    return ModelRef("m", "1", "1" * 32, "models:/m-1", "f" * 64, "s", "snap", END.isoformat(), tags=tags)


def test_a_file_that_was_changed_or_is_gone_is_refused(reference, tmp_path):
    layout = Layout(tmp_path)
    folder = layout.mlflow / "artifacts" / ("1" * 32) / "artifacts"
    digest = write_reference(folder, reference)
    assert read_reference(layout, model_of(**{DRIFT_TAG: digest})).to_json() == reference.to_json()
    with pytest.raises(MissingDataError, match="no reference of drift"):
        read_reference(layout, model_of())
    (folder / DRIFT_FILE).write_bytes(reference.to_json() + b" ")
    with pytest.raises(ModelIntegrityError, match="not the file that was registered"):
        read_reference(layout, model_of(**{DRIFT_TAG: digest}))
    (folder / DRIFT_FILE).unlink()
    with pytest.raises(MissingDataError, match="is gone"):
        read_reference(layout, model_of(**{DRIFT_TAG: digest}))


def test_the_figure_is_drawn_with_and_without_limits(reference, month, tmp_path):
    table = tabulate_reference_drift(reference, *month)
    assert draw_drift(tmp_path / "a.png", table).read_bytes().startswith(b"\x89PNG")
    assert draw_drift(tmp_path / "b.png", table.clear()).read_bytes().startswith(b"\x89PNG")


def test_held_out_months_measure_how_often_limits_err():
    """Months that are alike: the rate afterwards, and the measured one, are near the one that was asked for."""
    rng = np.random.default_rng(3)
    indices = np.exp(rng.normal(-3, 0.5, (40, 24)))
    found = calibrate_limits(indices, 1.0)
    assert found is not None
    later = np.exp(rng.normal(-3, 0.5, (40, 4000)))
    rate = float((later > found.values[:, None]).sum(axis=0).mean())
    assert 0.3 < rate < 3.0
    assert 0.2 < found.alarms < 4.0
    assert found.alarmed <= 1.0


@given(st.integers(0, 3))
def test_too_few_months_have_no_limits(months):
    assert calibrate_limits(np.ones((3, months)), 1.0) is None
