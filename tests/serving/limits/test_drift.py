"""Drift of inputs: what lies far outside of training's values, against a plain count."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.offline_files import make_schema, publish
from model_registry.drift_file import DRIFT_FILE
from model_registry.records import DRIFT_TAG, ModelRef
from pairity.digest import digest_bytes
from pairity.layout import Layout
from pairity.timeline import HOUR
from pairity.trading_settings import LimitSettings
from serving.limits import Drift
from serving.limits.drift import KnownRanges
from tests.examples import examples

START = datetime(2025, 1, 1, tzinfo=UTC)
TRAINED = START + 400 * HOUR
VALUES = st.one_of(st.none(), st.just(math.nan), st.floats(-1e6, 1e6))


def make_rows(hours: range, value) -> pl.DataFrame:
    """One pair's rows: every number of hour h is value(h)."""
    schema = make_schema(PAIR_HOURLY)
    columns = {
        name: [START + h * HOUR for h in hours]
        if dtype.is_temporal()
        else ["BTC" if name != "pair_id" else "BTC__ETH" for _ in hours]
        if dtype == pl.String
        else [value(h) for h in hours]
        for name, dtype in schema.items()
    }
    return pl.DataFrame(columns, schema=schema, strict=False)


def model_of(train_end: datetime) -> ModelRef:
    return ModelRef(
        name="pair_forest",
        version="1",
        run_id="r",
        uri="u",
        sha256="m" * 64,
        feature_service=PAIR_FOREST_FEATURES.name,
        snapshot_id="s",
        train_end=train_end.isoformat(),
    )


@pytest.fixture
def drift(tmp_path: Path) -> Drift:
    """A store with values from 0 to 99, and wild ones after the end of the training."""
    layout = Layout(tmp_path)
    publish(layout, PAIR_HOURLY, make_rows(range(401), lambda h: float(h % 100)))
    publish(layout, PAIR_HOURLY, make_rows(range(401, 500), lambda h: 1e9))
    return Drift(layout, LimitSettings())


def refusal(drift: Drift, *values: float | None) -> str | None:
    return drift.find_refusal(model_of(TRAINED), pl.concat([make_rows(range(1), lambda _, v=v: v) for v in values]))


def test_usual_values_are_not_refused_and_what_came_after_training_is_not_usual(drift: Drift) -> None:
    assert refusal(drift, 0.0, 50.0, 99.0) is None
    assert refusal(drift, -95.0, 190.0) is None  # outside, and not far
    said = refusal(drift, 1e9, 50.0)
    assert said is not None
    assert said.startswith("limits.drift: 50.0% of the features are far outside")


def test_the_reason_names_the_features_and_pairs_that_lie_furthest(drift: Drift) -> None:
    rows = make_rows(range(1), lambda _: 1e9).with_columns(pl.lit("BTC__SOL").alias("pair_id"))
    said = drift.find_refusal(model_of(TRAINED), pl.concat([make_rows(range(1), lambda _: 50.0), rows]))
    assert said is not None
    assert said.endswith("; BTC__SOL 100%)")
    assert "(most: " in said
    assert drift.seen is not None
    assert set(drift.seen.by_entity.values()) == {0.0, 1.0}
    assert set(drift.seen.by_feature.values()) == {0.5}


def test_up_to_the_limit_of_a_tenth_is_allowed(drift: Drift) -> None:
    assert refusal(drift, 1e9, *[50.0] * 9) is None
    assert refusal(drift, 1e9, *[50.0] * 8) is not None


def test_what_is_missing_is_no_drift(drift: Drift) -> None:
    assert refusal(drift, None, math.nan) is None
    assert refusal(drift, None, 1e9) is not None


def test_a_store_that_knows_little_refuses_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert refusal(Drift(layout, LimitSettings()), 1e9) is None
    publish(layout, PAIR_HOURLY, make_rows(range(99), float))
    assert refusal(Drift(layout, LimitSettings()), 1e9) is None


@given(known=st.lists(VALUES, min_size=100, max_size=130), now=st.lists(VALUES, min_size=1, max_size=20))
@settings(max_examples=examples(60), deadline=None)
def test_the_share_is_that_of_a_plain_count(tmp_path_factory: pytest.TempPathFactory, known, now) -> None:
    layout = Layout(tmp_path_factory.mktemp("store"))
    publish(layout, PAIR_HOURLY, make_rows(range(len(known)), lambda h: known[h]))
    found = KnownRanges.read(layout, PAIR_FOREST_FEATURES, TRAINED).find_share_outside(
        make_rows(range(len(now)), lambda h: now[h])
    )
    usual = sorted(value for value in known if value is not None and not math.isnan(value))
    seen = [value for value in now if value is not None and not math.isnan(value)]
    if len(usual) < 100 or not seen:
        assert found == 0
        return
    low, high = (usual[math.floor(share * (len(usual) - 1) + 0.5)] for share in (0.01, 0.99))
    if high == low:
        assert found == 0
        return
    wild = [value for value in seen if value < low - (high - low) or value > high + (high - low)]
    assert found == pytest.approx(len(wild) / len(seen), abs=1e-12)


def walk_ranges(values: list[float]) -> tuple[float, float]:
    """The middle 98% and as much on either side, from a sorted list."""
    ordered = sorted(values)
    low, high = (ordered[round(share * (len(ordered) - 1))] for share in (0.01, 0.99))
    return 2 * low - high, 2 * high - low


@pytest.mark.parametrize(("most", "step"), [(401, 1), (400, 5), (150, 5), (61, 11), (81, 5), (80, 11)])
def test_of_a_long_history_every_nth_hour_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, step: int
) -> None:
    """What is read does not grow with history, is spread over all of it, and favours no hour of the day or week."""
    monkeypatch.setattr("serving.limits.drift._MOST_ROWS", most)
    monkeypatch.setattr("model_registry.drift_file._LEAST_ROWS", 20)
    layout = Layout(tmp_path)
    publish(layout, PAIR_HOURLY, make_rows(range(401), lambda h: float(h * h % 397)))
    publish(layout, PAIR_HOURLY, make_rows(range(401, 500), lambda h: 1e9))
    first = int(START.timestamp()) // 3600
    wanted = walk_ranges([float(h * h % 397) for h in range(401) if (first + h) % step == 0])
    found = KnownRanges.read(layout, PAIR_FOREST_FEATURES, TRAINED).ranges
    assert set(found) == set(PAIR_FOREST_FEATURES.features) - {"base_asset", "quote_asset"}
    assert set(found.values()) == {wanted}


def freeze(layout: Layout, content: bytes) -> ModelRef:
    """Put the file of a run there, and return a version that carries its digest."""
    folder = layout.mlflow / "artifacts" / ("1" * 32) / "artifacts"
    folder.mkdir(parents=True)
    (folder / DRIFT_FILE).write_bytes(content)
    return replace(model_of(TRAINED), run_id="1" * 32, tags={DRIFT_TAG: digest_bytes(content)})


def test_what_was_frozen_with_a_version_is_compared_with_whatever_is_stored(tmp_path: Path, drift: Drift) -> None:
    name = next(name for name in PAIR_FOREST_FEATURES.features if make_schema(PAIR_HOURLY)[name] == pl.Float64)
    model = freeze(Layout(tmp_path), b'{"ranges": {"%s": [200.0, 400.0]}}' % name.encode())
    said = drift.find_refusal(model, make_rows(range(1), lambda _: 50.0))  # usual by what is stored
    assert said is not None
    assert said.startswith("limits.drift: 100.0%")
    assert drift.find_refusal(model, make_rows(range(1), lambda _: 300.0)) is None


@pytest.mark.parametrize("content", [b"{}", None])
def test_without_the_frozen_file_nothing_is_opened_and_nothing_is_raised(
    tmp_path: Path, drift: Drift, content: bytes | None
) -> None:
    model = freeze(Layout(tmp_path), content or b"")
    if content is None:
        (tmp_path / "mlflow" / "artifacts" / ("1" * 32) / "artifacts" / DRIFT_FILE).unlink()
    for _ in range(2):
        said = drift.find_refusal(model, make_rows(range(1), lambda _: 50.0))
        assert said is not None
        assert said.startswith("limits.drift: nothing to compare the features with: ")
