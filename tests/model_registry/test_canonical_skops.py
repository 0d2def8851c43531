"""The same forest has the same bytes, and what is loaded from them is the same forest."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skops.io import dumps, loads

from model_registry.canonical_skops import write_canonically
from model_registry.forest_schema import TRUSTED_TYPES
from pairity.errors import RegistryError
from pairity.settings import ModelSettings
from training.models import pair_forest

ROOT = Path(__file__).parents[2]
FIT = """
import numpy as np, pandas as pd, sys
from pairity.settings import ModelSettings
from training.models import pair_forest

def fit(calibration, threads):
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"z_score": rng.normal(size=300), "spread_rsi": rng.uniform(0, 100, 300)})
    frame["base_asset"], frame["quote_asset"] = rng.choice(["BTC", "ETH"], 300), rng.choice(["SOL", "XRP"], 300)
    labels = (frame["z_score"].to_numpy() > 0.5).astype(np.int64)
    settings = ModelSettings(n_estimators=8, min_samples_leaf=5, calibration=calibration)
    places = np.arange(300)
    splits = None if calibration == "none" else [(places[100:], places[:100]), (places[:100], places[100:])]
    return frame, pair_forest.fit_pipeline(
        frame, labels, ("BTC", "ETH", "SOL", "XRP"), settings, fit_threads=threads, splits=splits
    )
"""
KINDS = ("none", "isotonic", "sigmoid")


def fit(calibration, threads=1):
    names: dict = {}
    exec(FIT, names)
    return names["fit"](calibration, threads)


@pytest.mark.parametrize("calibration", KINDS)
def test_equal_forests_have_equal_bytes(calibration):
    frame, one = fit(calibration)
    _, other = fit(calibration, threads=2)
    first, second = dumps(one), dumps(other)
    assert first != second  # addresses and times
    assert write_canonically(first) == write_canonically(second)
    again = loads(write_canonically(first), trusted=list(TRUSTED_TYPES))
    expected = pair_forest.predict_probability(one, frame)
    assert pair_forest.predict_probability(again, frame).tobytes() == expected.tobytes()
    assert write_canonically(write_canonically(first)) == write_canonically(first)


@pytest.mark.slow
def test_another_process_writes_the_same_bytes():
    program = FIT + (
        "from skops.io import dumps\nfrom model_registry.canonical_skops import write_canonically\n"
        "waste = [object() for _ in range(12345)]\n"
        "import hashlib; print(hashlib.sha256(write_canonically(dumps(fit('isotonic', 2)[1]))).hexdigest())\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_another_forest_has_other_bytes():
    _, one = fit("none")
    frame, _ = fit("none")
    labels = (frame["spread_rsi"].to_numpy() > 50).astype(np.int64)
    other = pair_forest.fit_pipeline(
        pd.DataFrame(frame), labels, ("BTC", "ETH", "SOL", "XRP"), ModelSettings(n_estimators=8, min_samples_leaf=5)
    )
    assert write_canonically(dumps(one)) != write_canonically(dumps(other))


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive"])
def test_what_is_no_archive_is_refused(content):
    with pytest.raises(RegistryError, match="not written as skops writes"):
        write_canonically(content)


def test_a_member_that_belongs_to_nothing_is_refused():
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("7.npy", b"x")
    with pytest.raises(RegistryError, match="belong to nothing"):
        write_canonically(written.getvalue())
