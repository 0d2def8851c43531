"""Repair asks the venue again for exactly what is withheld; the command line says what came of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.raw_datasets import DATASETS
from ingestion.admission_record import AdmissionRecord
from ingestion.lake import Lake
from ingestion.quarantine_actions import release, repair
from ingestion.raw_admission import RawAdmission
from ingestion.staging import Staging
from pairity.errors import ConfigError, UnknownNameError
from pairity.layout import Layout
from pairity_cli.main import main
from tests.ingestion.venue import HOUR, NOW, UNTIL
from validation.quarantine import read_items

MINUTE = timedelta(minutes=1)
BAD = UNTIL - 2 * HOUR


@pytest.fixture
def withheld(okx, tmp_path):
    """A minute that came with a high below its low."""
    settings, layout = okx.settings(tmp_path), Layout(tmp_path)
    lake, staging = Lake(layout), Staging(layout)
    row = {"open_time": BAD, "open": 1.0, "high": 0.5, "low": 2.0, "close": 1.0, "volume": 1.0, "known_at": BAD + HOUR}
    with lake.writing():
        staging.recover()
        staging.add("candles_1m", "ETH", DATASETS["candles_1m"].conform(pl.DataFrame([row])))
        RawAdmission(AdmissionRecord(settings, NOW)).admit_staged(staging, lake)
    (item,) = read_items(layout)
    return okx, settings, lake, item


def test_a_good_answer_closes_the_item_and_is_known_from_its_arrival(withheld):
    okx, settings, lake, item = withheld
    outcome = asyncio.run(repair(settings, item.id, okx))
    assert (outcome.closed, outcome.rows, outcome.item.state) == (True, 1, "repaired")
    rows = lake.scan("candles_1m", ["ETH"], BAD - HOUR, UNTIL).collect()
    assert rows["open_time"].to_list() == [BAD]
    assert rows["known_at"].to_list() == [okx.now()]
    with pytest.raises(ConfigError, match="closed already"):
        asyncio.run(repair(settings, item.id, okx))


def test_an_answer_counts_by_choice_as_known_then_and_that_is_recorded(withheld):
    okx, settings, lake, item = withheld
    outcome = asyncio.run(repair(settings, item.id, okx, known_from="then"))
    assert outcome.closed
    rows = lake.scan("candles_1m", ["ETH"], BAD - HOUR, UNTIL).collect()
    assert rows["known_at"].to_list() == [BAD + MINUTE + timedelta(milliseconds=1)]
    assert "(known from then, as they came)" in outcome.item.journal[-1].reason
    assert "known from then" in outcome.message


def test_an_instant_that_the_venue_does_not_give_stays_withheld(withheld):
    okx, settings, lake, item = withheld
    frame = item.read_rows().with_columns(
        pl.lit(BAD - timedelta(days=300)).cast(pl.Datetime("us", "UTC")).alias("open_time")
    )
    frame.write_parquet(item.path / "rows.parquet")
    outcome = asyncio.run(repair(settings, item.id, okx))
    assert (outcome.closed, outcome.item.state) == (False, "held")
    assert "1 of 1 instant " in outcome.item.journal[-1].reason
    assert lake.partitions() == ()


def test_names_and_reasons(withheld):
    _, settings, _, item = withheld
    with pytest.raises(UnknownNameError, match="quarantine item 'zz'"):
        release(settings, "zz", "why", now=NOW)
    with pytest.raises(ConfigError, match="is no reason that can be recorded"):
        release(settings, item.id, "", now=NOW)


def test_the_command_line(withheld, monkeypatch):
    _, settings, _, item = withheld
    monkeypatch.setenv("PAIRITY_HOME", str(settings.home))
    run = CliRunner().invoke
    shown = run(main, ["quarantine", "list"])
    assert shown.exit_code == 0
    (row,) = [line for line in shown.output.splitlines() if line.startswith(item.id)]
    assert row.split()[:5] == [item.id, "candles_1m", "ETH/2026-01", "1", "high_low_violations"]
    assert "1 item, 1 row" in shown.output
    assert "high below, or low above" in run(main, ["quarantine", "show", item.id]).output
    unknown = run(main, ["quarantine", "show", "fff"])
    assert (unknown.exit_code, "unknown quarantine item" in unknown.output) == (2, True)
    done = run(main, ["quarantine", "release", item.id, "--reason", "checked by hand"])
    assert (done.exit_code, "released 1 row," in done.output) == (0, True)
    assert "0 items" in run(main, ["quarantine", "list"]).output
    assert "checked by hand" in run(main, ["quarantine", "show", item.id]).output
    assert "0 anomalies" not in run(main, ["anomalies", "--dataset", "candles_1m"]).output


@pytest.mark.parametrize(("known_from", "known"), [("now", NOW), ("then", BAD + HOUR)])
def test_released_rows_are_known_from_the_release_or_by_choice_from_then(withheld, known_from, known):
    _, settings, lake, item = withheld
    outcome = release(settings, item.id, "the venue was right", now=NOW, known_from=known_from)
    rows = lake.scan("candles_1m", ["ETH"], BAD - HOUR, UNTIL).collect()
    assert rows["known_at"].to_list() == [known]
    (entry,) = outcome.item.journal
    assert entry.reason.startswith("the venue was right (known from " + ("now" if known_from == "now" else "then"))
    assert f"known from {known_from}" in outcome.message


def test_the_choice_is_an_option_of_the_command_and_no_other_word_is_one(withheld, monkeypatch):
    _, settings, lake, item = withheld
    monkeypatch.setenv("PAIRITY_HOME", str(settings.home))
    wrong = CliRunner().invoke(main, ["quarantine", "release", item.id, "--reason", "right", "--known-from", "1999"])
    assert wrong.exit_code == 2
    done = CliRunner().invoke(main, ["quarantine", "release", item.id, "--reason", "right", "--known-from", "then"])
    assert done.exit_code == 0, done.output
    assert "remove features/" in done.output
    assert lake.scan("candles_1m", ["ETH"], BAD - HOUR, UNTIL).collect()["known_at"].to_list() == [BAD + HOUR]


@pytest.mark.parametrize(("venue", "named"), [("okx", "`pairity features`"), ("binance_um", "PAIRITY_FEATURES__VENUE")])
def test_a_release_names_the_command_that_computes_what_depends_on_the_rows(withheld, venue, named):
    """Features are computed of one venue: those of another one's rows by a command that says so."""
    _, settings, _, item = withheld
    features = settings.features.model_copy(update={"venue": venue})
    message = release(settings.model_copy(update={"features": features}), item.id, "right", now=NOW).message
    assert named in message
    assert ("of okx are computed by: PAIRITY_FEATURES__VENUE=okx pairity features" in message) == (venue != "okx")
