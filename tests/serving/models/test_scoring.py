"""Scores of all pairs at once are those of a slow loop, whatever is missing, stale or infinite."""

from __future__ import annotations

import hashlib
import math
import struct
from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.catalog import PAIR_FOREST_FEATURES, PAIR_HOURLY
from feature_repo.offline_files import make_schema
from pairity.timeline import HOUR
from pairity.universe import pairs_of
from serving.models.scoring import Scorer
from tests.oracles.pair_scores import score_pair
from tests.serving.model_reference import REFERENCE, T

FEATURES = PAIR_FOREST_FEATURES.features
PAIRS = pairs_of(["A", "B", "C", "D"])
SCHEMA = {
    name: dtype for name, dtype in make_schema(PAIR_HOURLY).items() if name in {"pair_id", "event_timestamp", *FEATURES}
}
TIMES = st.sampled_from([T, T, T, T, T - HOUR, T - 3 * HOUR, T - timedelta(microseconds=1), None])
NUMBERS = st.sampled_from([0.5, -0.0, 1.75, -3.25, None, math.inf, -math.inf])


class Digest:
    """A model whose answer depends on every bit of its row, and on no other row."""

    classes_ = (0, 1)

    def predict_proba(self, matrix: pd.DataFrame) -> np.ndarray:
        chances = [self.predict(row) for row in matrix.to_dict("records")]
        return np.array([[1 - chance, chance] for chance in chances])

    @staticmethod
    def predict(row: dict[str, object]) -> float:
        bits = b"|".join(_bits(row[name]) for name in FEATURES)
        return int.from_bytes(hashlib.sha256(bits).digest()[:6]) / 2**48


def _bits(cell: object) -> bytes:
    if isinstance(cell, str):
        return cell.encode()
    return b"" if cell is None or math.isnan(cell) else struct.pack("<d", cell)


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, object]]:
    ids = draw(
        st.permutations([pair.pair_id for pair in PAIRS]).flatmap(
            lambda names: st.integers(0, len(names)).map(lambda count: names[:count])
        )
    )
    changed = st.dictionaries(st.sampled_from([n for n in FEATURES if SCHEMA[n] == pl.Float64]), NUMBERS, max_size=3)
    plain = {name: 0.25 if SCHEMA[name] == pl.Float64 else "A" for name in FEATURES}
    return [{"pair_id": name, "event_timestamp": draw(TIMES), **plain, **draw(changed)} for name in ids]


@settings(deadline=None)
@given(rows())
def test_every_pair_has_the_score_of_the_slow_loop(found):
    frame = pl.DataFrame(found, schema=SCHEMA)
    scores = Scorer(REFERENCE, Digest()).score(frame, PAIRS, T)
    assert [score.pair for score in scores] == list(PAIRS)
    expected = [score_pair(found, pair.pair_id, T, FEATURES, Digest.predict) for pair in PAIRS]
    assert [(score.z, score.probability, score.unusable, score.hedge_ratio) for score in scores] == expected
