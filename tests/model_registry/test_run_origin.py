"""What a model was trained on, as its run has it."""

import pytest

from model_registry.run_origin import describe_origin, read_origin
from pairity.errors import MissingDataError
from pairity.layout import Layout


def test_rows_label_and_code_are_said():
    params = {
        "split.train_rows": "41685",
        "split.train_start": "2025-07-09 08:00:00+00:00",
        "split.train_end": "2025-11-06 08:00:00+00:00",
        "split.purged_rows": "1530",
        "label.kind": "touch",
        "label.target": "0.005",
        "label.horizon_bars": "102",
    }
    said = "\n".join(describe_origin(params, {"training_digest": "d" * 64, "code_revision": "c" * 40}))
    for word in (
        "41685",
        "2025-07-09 08:00 to 2025-11-06 08:00 UTC",
        "1530 purged",
        "d" * 16,
        "touch of 0.005",
        "102 hours",
    ):
        assert word in said
    assert "not committed" not in said
    assert "not committed" in describe_origin({}, {"code_dirty": "true"})[-1]


def test_what_was_not_recorded_is_unknown():
    assert all("unknown" in line for line in describe_origin({}, {}))


def test_without_a_store_it_is_said(tmp_path):
    with pytest.raises(MissingDataError, match="no runs"):
        read_origin(Layout(tmp_path), "1" * 32)
