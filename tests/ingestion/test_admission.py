"""New rows are judged beside what the lake holds: a batch can be sound in itself and still be wrong."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from ingestion.admission_record import AdmissionRecord
from ingestion.lake import Lake
from ingestion.lake.batch import Batch
from ingestion.raw_admission import RawAdmission
from ingestion.staging import Staging
from ingestion.withheld import WithheldRows
from pairity.layout import Layout
from pairity.settings import Settings
from tests.validation.frames import NOW, at, candles
from validation.quarantine import read_items


def admitted(home, stored, incoming):
    """What one run promotes and quarantines when `incoming` arrives at a lake that holds `stored`."""
    layout = Layout(home)
    lake, staging = Lake(layout), Staging(layout)
    record = AdmissionRecord(Settings(home=home), NOW)
    with lake.writing():
        staging.recover()
        lake.write("candles_1m", "BTC", stored)
        staging.add("candles_1m", "BTC", incoming)
        new_rows = RawAdmission(record).admit_staged(staging, lake).new_rows
    assert staging.datasets() == ()
    return new_rows, [rule.partition(" ")[0] for item in record.quarantined for rule in item.rules]


def times_ten(rows):
    return rows.with_columns(pl.col("open", "high", "low", "close") * 10)


def test_an_hour_at_ten_times_the_price_is_quarantined_though_it_is_even_in_itself(tmp_path):
    rows = candles(180)
    assert admitted(tmp_path, rows.head(120), times_ten(rows.tail(60))) == ({}, ["price_jump"])
    assert [(item.key, item.rows) for item in read_items(Layout(tmp_path))] == [("BTC/2025-04", 60)]


def test_a_sound_hour_is_promoted(tmp_path):
    rows = candles(180)
    assert admitted(tmp_path, rows.head(120), rows.tail(60)) == ({("candles_1m", "BTC"): 60}, [])


@pytest.mark.parametrize("missing", [59, 60, 61])
def test_after_a_hole_of_an_hour_the_price_may_be_another(tmp_path, missing):
    rows = candles(200)
    after = rows.slice(60 + missing).with_columns(pl.col("open", "high", "low", "close") * 6)
    assert after["open_time"][0] - rows["open_time"][59] == timedelta(minutes=missing + 1)
    _, broken = admitted(tmp_path, rows.head(60), after)
    assert broken == (["price_jump"] if missing + 1 <= 60 else [])


@pytest.mark.parametrize("missing", [59, 61, 130])
def test_after_a_hole_of_any_length_a_price_of_other_units_is_held(tmp_path, missing):
    rows = candles(200)
    new_rows, broken = admitted(tmp_path, rows.head(60), times_ten(rows.slice(60 + missing)))
    assert (new_rows, broken) == ({}, ["price_jump"])


def test_what_another_venue_gave_wrong_hides_nothing_of_the_one_that_is_traded(tmp_path):
    layout = Layout(tmp_path)
    lake = Lake(layout, venue="binance")
    staging = Staging(layout, venue="binance")
    with lake.writing():
        staging.recover()
        staging.add("candles_1m", "BTC", at(50, volume=-1.0)(candles()))
        RawAdmission(AdmissionRecord(Settings(home=tmp_path), NOW)).admit_staged(staging, lake)
    assert [(item.key, item.venue, item.rows) for item in read_items(layout)] == [("BTC/2025-04/binance", "binance", 1)]
    assert WithheldRows.of(layout, Lake(layout)).instants.is_empty()
    assert WithheldRows.of(layout, lake).instants.height == 1


def test_an_item_is_not_closed_before_its_rows_are_stored(tmp_path, monkeypatch):
    """No space for the commit: the instants stay withheld, and their rows are known from when they are stored."""
    layout = Layout(tmp_path)
    lake, rows = Lake(layout), candles(30)
    with lake.writing():
        for wrong in (at(20, volume=-1.0)(rows), None):
            staging = Staging(layout, persistent=False)
            staging.add("candles_1m", "BTC", rows if wrong is None else wrong)
            admission = RawAdmission(AdmissionRecord(Settings(home=tmp_path), NOW))
            if wrong is not None:
                admission.admit_staged(staging, lake)
                continue
            with monkeypatch.context() as fault:
                fault.setattr(Batch, "commit", fail_for_lack_of_space)
                with pytest.raises(OSError, match="no space"):
                    admission.admit_staged(staging, lake)
            assert [item.state for item in read_items(layout)] == ["held"]
            RawAdmission(AdmissionRecord(Settings(home=tmp_path), NOW)).admit_staged(staging, lake)
    assert [item.state for item in read_items(layout)] == ["repaired"]
    repaired = lake.scan("candles_1m", ["BTC"], rows["open_time"][20], rows["open_time"][21]).collect()
    assert repaired["known_at"].to_list() == [NOW]


def fail_for_lack_of_space(batch):
    raise OSError("no space")
