"""What was decided on against the offline store: a real store and journal, and each kind of fault planted in turn."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.catalog import PAIR_HOURLY
from feature_repo.offline_files import publish
from pairity.timeline import HOUR
from pairity_cli.main import main
from serving.journal import Journal
from serving.parity import check_parity
from serving.parity_causes import Cause, Version, name_cause
from tests.serving.parity_scene import (
    FEATURE,
    FEATURES,
    LAG,
    NUMBERS,
    PAIRS,
    START,
    Scene,
    as_float32,
    rows_of,
)
from tests.serving.trading import RUN, decision_of


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "home")


def test_what_was_read_as_it_is_stored_is_identical(scene):
    report = scene.decide()
    assert report.mismatches == ()
    assert (report.decisions, report.rows, report.values) == (6, 12, 12 * len(FEATURES))
    assert [one.feature for one in report.features] == sorted(FEATURES)
    assert {(one.compared, one.different, one.late, one.oldest) for one in report.features} == {(12, 0, 0, LAG)}


def test_over_nothing_nothing_is_said_to_be_identical(scene):
    scene.decide()
    report = check_parity(scene.settings, since=START + 1000 * HOUR)
    assert report.summary == "0 decisions, 0 vectors, 0 values read online: nothing to compare"


def only(report):
    assert len(report.mismatches) == 1
    (found,) = report.mismatches
    assert (found.entity, found.bar, found.feature) == ("BTC__SOL", START + 3 * HOUR, FEATURE)
    tally = next(one for one in report.features if one.different)
    assert (tally.feature, tally.different) == (FEATURE, 1)
    return found, tally


def test_a_cast_to_32_bits_is_named(scene):
    scene.change(3, "BTC__SOL", as_float32)
    assert only(scene.decide())[0].cause is Cause.FLOAT32


def test_a_changed_transform_is_named_as_another_value(scene):
    scene.change(3, "BTC__SOL", lambda value: value * 1.01)
    assert only(scene.decide())[0].cause is Cause.OTHER


def test_the_sign_of_zero_counts(scene):
    scene.change(3, "BTC__SOL", lambda _: -0.0)
    assert only(scene.decide())[0].cause is Cause.OTHER


def test_a_value_that_nobody_read_is_named(scene):
    scene.change(3, "BTC__SOL", lambda _: None)
    found, tally = only(scene.decide())
    assert found.cause is Cause.MISSING
    assert (tally.missing, tally.extra) == (1, 0)


def test_a_value_that_nobody_knew_yet_is_named(scene):
    """The store learnt the hour's rows after the decision only, and knew none before it."""
    late = Scene(scene.settings.root.parent / "late")
    for part in (late.layout.features / "pair_hourly").rglob("*.parquet"):
        part.unlink()
    publish(late.layout, PAIR_HOURLY, rows_of([0], created=HOUR))
    journal = Journal.open(late.layout.journal)
    journal.record_run(RUN)
    made = replace(decision_of(at=START), decision_time=START + LAG)
    journal.record_decision(made, [replace(late.vectors[0, "BTC__ETH"], decision_id=made.decision_id)])
    journal.close()
    report = check_parity(late.settings)
    assert len(report.mismatches) == len(
        [name for name in FEATURES if late.vectors[0, "BTC__ETH"].values[name] is not None]
    )
    assert {found.cause for found in report.mismatches} == {Cause.EXTRA}


def test_a_stale_row_is_named_and_counted(scene):
    old = scene.vectors[2, "BTC__SOL"]
    scene.vectors[3, "BTC__SOL"] = old
    report = scene.decide()
    assert {found.cause for found in report.mismatches} == {Cause.STALE}
    assert {found.feature for found in report.mismatches} == set(NUMBERS)
    assert {one.late for one in report.features} == {1}
    assert {one.oldest for one in report.features} == {HOUR + LAG}


def test_a_correction_that_never_got_online_is_named(scene):
    publish(scene.layout, PAIR_HOURLY, rows_of([3], created=LAG - timedelta(seconds=1), change={FEATURE: 9.5}))
    report = scene.decide()
    assert {(found.feature, found.cause) for found in report.mismatches} == {(FEATURE, Cause.LOST_CORRECTION)}
    assert len(report.mismatches) == len(PAIRS)


def test_a_correction_after_the_decision_is_none(scene):
    publish(scene.layout, PAIR_HOURLY, rows_of([3], created=LAG + timedelta(seconds=1), change={FEATURE: 9.5}))
    assert scene.decide().mismatches == ()


def test_a_range_compares_its_own_bars_and_keeps_no_outcome(scene):
    scene.change(3, "BTC__SOL", lambda value: value + 1.0)
    scene.decide()
    assert check_parity(scene.settings, since=START + 4 * HOUR).mismatches == ()
    part = check_parity(scene.settings, since=START + 3 * HOUR, until=START + 4 * HOUR)
    assert (part.decisions, len(part.mismatches)) == (1, 1)


def test_the_command_names_cause_and_feature_and_ends_with_1(scene, monkeypatch):
    scene.change(3, "BTC__SOL", lambda value: value + 1.0)
    scene.decide()
    monkeypatch.setenv("PAIRITY_HOME", str(scene.settings.root))
    done = CliRunner().invoke(main, ["parity", "--wide"])
    assert done.exit_code == 1, done.output
    for word in ("another value", FEATURE, "BTC__SOL", "2026-01-05 03:00", "1 DIFFER"):
        assert word in done.output
    clean = CliRunner().invoke(main, ["parity", "--since", "2026-01-05T04:00"])
    assert clean.exit_code == 0, clean.output
    assert "all identical" in clean.output


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(online=FINITE, offline=FINITE)
def test_without_versions_a_cause_is_one_of_the_values(online, offline):
    cause = name_cause(online, offline, START, [Version(START, START, offline)])
    assert cause in {Cause.FLOAT32, Cause.OTHER}
    assert name_cause(None, offline, START, []) is Cause.MISSING
    assert name_cause(online, None, START, []) is Cause.EXTRA
