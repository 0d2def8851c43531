from __future__ import annotations

import json
from datetime import timedelta

import polars as pl
import pytest

from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from tests.validation.frames import MINUTE, NOW, T0, at, candles, funding
from validation.checkpoint import FailedRule
from validation.quarantine import SHOWN_ROWS, clear, listed, quarantine

OUT_OF_BOUNDS = (FailedRule("rates_out_of_bounds", 1.0, "a rate beyond ±5 % per interval"),)


def test_rows_and_reason_are_kept_and_listed(tmp_path):
    rates = funding((0.0001, 0.5))
    item = quarantine(Layout(tmp_path), "funding", "BTC/2025-04", rates, OUT_OF_BOUNDS, now=NOW)
    assert listed(Layout(tmp_path)) == [item]
    assert item.path == tmp_path / "quarantine" / "funding" / "BTC_2025-04" / "20250403T000000000000"
    assert pl.read_parquet(item.path / "rows.parquet").equals(rates)
    assert item.offending == {"rates_out_of_bounds": (T0 + timedelta(hours=8),)}
    reason = json.loads((item.path / "reason.json").read_text())
    assert (reason["failed"][0]["rule"], reason["failed"][0]["observed"]) == ("rates_out_of_bounds", 1.0)
    assert reason["offending"] == {"rates_out_of_bounds": ["2025-04-01T08:00:00+00:00"]}
    assert not list(tmp_path.rglob(".tmp-*"))


def test_instants_are_told_for_rules_on_single_rows_and_not_without_end(tmp_path):
    rules = [FailedRule(name, 1.0, "") for name in ("rows", "negative_volumes", "price_jump")]
    rows = at(50, close=1000.0)(candles()).with_columns(volume=pl.lit(-1.0))
    item = quarantine(Layout(tmp_path), "candles_1m", "BTC", rows, rules, now=NOW)
    assert item.offending["price_jump"] == (T0 + 50 * MINUTE, T0 + 51 * MINUTE)
    assert len(item.offending["negative_volumes"]) == SHOWN_ROWS
    assert "rows" not in item.offending


def test_what_a_killed_writer_left_is_not_listed_and_goes_with_the_next(tmp_path):
    left_over = tmp_path / "quarantine" / "funding" / "BTC" / ".tmp-1-20250401T000000000000"
    left_over.mkdir(parents=True)
    (left_over / "reason.json").write_text("{")
    assert listed(Layout(tmp_path)) == []
    quarantine(Layout(tmp_path), "funding", "BTC", funding(), OUT_OF_BOUNDS, now=NOW)
    assert not left_over.exists()


def test_clearing_deletes_what_was_asked_for_and_nothing_else(tmp_path):
    layout = Layout(tmp_path)
    one, two = (quarantine(layout, "funding", key, funding(), OUT_OF_BOUNDS, now=NOW) for key in ("BTC", "ETH"))
    later = quarantine(layout, "funding", "BTC", funding(), OUT_OF_BOUNDS, now=NOW + timedelta(hours=1))
    bars = quarantine(layout, "candles_1m", "BTC", candles(), (), now=NOW)
    assert clear(layout, before=NOW) == []
    assert clear(layout, dataset="funding", key="BTC", before=NOW + MINUTE) == [one]
    assert listed(layout) == [bars, later, two]
    assert clear(layout, dataset="funding") == [later, two]
    assert clear(layout, key="SOL") == []
    assert clear(layout) == [bars]
    assert listed(layout) == clear(layout) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"failed": 1}'])
def test_a_reason_that_cannot_be_read_is_named(tmp_path, text):
    item = quarantine(Layout(tmp_path), "funding", "BTC", funding(), OUT_OF_BOUNDS, now=NOW)
    (item.path / "reason.json").write_text(text)
    with pytest.raises(LakeCorruptError, match=r"reason\.json cannot be read"):
        listed(Layout(tmp_path))
