from __future__ import annotations

import re

import pytest

from ingestion.admission_record import AdmissionRecord
from ingestion.lake import Lake
from ingestion.raw_admission import RawAdmission
from ingestion.staging import Staging
from pairity.layout import Layout
from pairity.settings import Settings
from tests.validation.frames import NOW, at, candles, funding, profile
from validation.checkpoint import judge
from validation.data_docs import build_docs
from validation.overview import collect_cells
from validation.quarantine import read_items
from validation.results import describe_partitions, load


@pytest.fixture
def home(tmp_path):
    layout = Layout(tmp_path)
    lake, staging, admission = (
        Lake(layout),
        Staging(layout),
        RawAdmission(AdmissionRecord(Settings(home=tmp_path), NOW)),
    )
    with lake.writing():
        staging.recover()
        staging.add("candles_1m", "BTC", at(50, volume=-1.0)(candles()))
        staging.add("candles_1m", "ETH", candles())
        admission.admit_staged(staging, lake)
    return Settings(home=tmp_path)


def test_datasets_by_month_with_what_passed_failed_and_is_held_back(home):
    found = collect_cells(Layout(home.root), read_items(Layout(home.root)))["candles_1m"]
    assert list(found) == ["2025-04"]
    cell = found["2025-04"]
    assert (cell.rows, cell.passed, cell.failed, cell.withheld) == (239, 1, 1, 1)


def test_the_page_stands_alone(home):
    page = build_docs(home)
    text = page.read_text()
    assert page == home.root / "gx" / "data_docs" / "index.html"
    assert "239 rows" in text
    assert "negative_volumes: an amount below zero" in text
    assert not re.search(r"<script|https?://|<link", text)


def test_an_empty_data_directory_has_a_page_too(tmp_path):
    assert "Nothing." in build_docs(Settings(home=tmp_path)).read_text()


def test_runs_are_named_after_what_was_judged(home):
    assert [result.about for result in load(Layout(home.root))] == ["BTC, ETH of 2025-04"]
    pages = list((build_docs(home).parent / "validations").rglob("*.html"))
    assert len(pages) == 1
    assert "__none__" not in str(pages[0])
    assert "BTC, ETH of 2025-04" in pages[0].read_text()


def test_the_same_verdict_on_the_same_day_is_one_page(home):
    for _ in range(3):
        judge(home, {"funding": profile(funding(), "funding")})
    judge(home, {"funding": profile(funding((0.5,)), "funding")})
    failed = [result.failed for result in load(Layout(home.root)) if result.suite == "funding"]
    wrong = ("rates_out_of_bounds",)
    assert failed in ([(), wrong], [(), (), wrong])  # the second around midnight


def test_many_partitions_are_not_all_named():
    nine = [f"A{i}/2025-04" for i in range(9)]
    assert describe_partitions(nine) == "A0, A1, A2, A3, A4, A5 and 3 more of 2025-04"
    assert describe_partitions(["BTC"]) == "BTC"
