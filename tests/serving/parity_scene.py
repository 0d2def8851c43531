"""A feature store with six hours of two pairs, and a journal of what was decided on after each."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.feature_store import apply_definitions, open_store
from feature_repo.offline_files import make_schema, publish
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR
from serving.journal import FeatureVector, Journal
from serving.parity import check_parity
from tests.serving.trading import RUN, decision_of

START = datetime(2026, 1, 5, tzinfo=UTC)
LAG = timedelta(seconds=90)
PAIRS = ("BTC__ETH", "BTC__SOL")
HOURS = range(6)
SERVICE, FEATURES = PAIR_FOREST_FEATURES.name, PAIR_FOREST_FEATURES.features
NUMBERS = [name for name, kind in make_schema(PAIR_HOURLY).items() if name in FEATURES and kind == pl.Float64]
FEATURE = NUMBERS[0]


def value_of(pair, hour, name):
    return 0.1 * (hour + 1) + 0.7 * PAIRS.index(pair) + 0.01 * NUMBERS.index(name)


def rows_of(hours, *, created=LAG / 2, change=None):
    """Rows of all pairs, known `created` after their hour; `change` gives other values of the numbers."""
    schema = make_schema(PAIR_HOURLY)
    rows = []
    for hour in hours:
        for pair in PAIRS:
            base, quote = pair.split("__")
            texts = {"pair_id": pair, "base_asset": base, "quote_asset": quote}
            row = {name: texts.get(name) for name in schema}
            row |= {name: value_of(pair, hour, name) for name in NUMBERS}
            row |= {EVENT_TIME: START + hour * HOUR, CREATED_TIME: START + hour * HOUR + created}
            rows.append(row | (change or {}))
    return pl.DataFrame(rows, schema=schema, strict=False)


class Scene:
    """A store with six hours of two pairs, and a journal of what was decided on after each."""

    def __init__(self, folder):
        self.settings = Settings(home=folder)
        self.layout = Layout.of(self.settings)
        publish(self.layout, PAIR_HOURLY, rows_of(HOURS))
        apply_definitions(self.settings, open_store(self.settings))
        self.vectors = {
            (hour, pair): FeatureVector(
                "", PAIR_FOREST_FEATURES.name, pair, START + hour * HOUR, self.values(hour, pair)
            )
            for hour in HOURS
            for pair in PAIRS
        }

    def values(self, hour, pair):
        row = rows_of([hour]).filter(pl.col("pair_id") == pair).row(0, named=True)
        return {name: row[name] for name in FEATURES}

    def change(self, hour, pair, value, event=None):
        vector = self.vectors[hour, pair]
        values = {**vector.values, FEATURE: value(vector.values[FEATURE])}
        self.vectors[hour, pair] = replace(vector, values=values, event_timestamp=event or vector.event_timestamp)

    def decide(self, hours=HOURS):
        """Journal the decisions of these hours, and check all."""
        journal = Journal.open(self.layout.journal)
        if journal.run(RUN.run_id) is None:
            journal.record_run(RUN)
        for hour in hours:
            made = decision_of(at=START + hour * HOUR)
            made = replace(made, decision_time=START + hour * HOUR + LAG)
            own = [replace(self.vectors[hour, pair], decision_id=made.decision_id) for pair in PAIRS]
            journal.record_decision(made, own)
        journal.close()
        return check_parity(self.settings)


def as_float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def plant_changed_transform(scene, hour):
    scene.change(hour, "BTC__SOL", lambda value: value * 1.01)


def plant_float32(scene, hour):
    scene.change(hour, "BTC__SOL", as_float32)


def plant_stale_row(scene, hour):
    scene.vectors[hour, "BTC__SOL"] = scene.vectors[hour - 1, "BTC__SOL"]


def plant_lost_correction(scene, hour):
    publish(scene.layout, PAIR_HOURLY, rows_of([hour], created=LAG - timedelta(seconds=1), change={FEATURE: 9.5}))
