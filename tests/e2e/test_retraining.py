"""Retraining and shadow through real processes."""

from __future__ import annotations

import fcntl
import signal
import struct
from datetime import timedelta

import polars as pl
import pytest

from feature_repo.catalog import find_service, find_view
from feature_repo.model_matrix import build_model_matrix
from feature_repo.offline_files import make_schema
from model_registry.registry import find_version
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.timeline import HOUR, floor_to, from_ms
from serving.journal import Journal
from serving.models.scoring import load_scorer, positive_probabilities
from tests.e2e.running import ASSETS, Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_the_scheduler_ends_cleanly_on_a_signal(tmp_path):
    process = Place(tmp_path / "home").start("retrain", "--daily-at", "00:30")
    line = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, "")
    assert line.startswith("next retraining at ")
    assert line.endswith(" 00:30 UTC\n")


def test_a_bad_time_and_options_that_contradict_are_named(tmp_path):
    place = Place(tmp_path / "home")
    for arguments, words in (
        (("--daily-at", "25:00"), "retrain.at = '25:00'"),
        (("--once", "--daily-at", "01:00"), "give one of them"),
        (("--as-known-at", "7d"), "give it with --once"),
    ):
        done = place.run("retrain", *arguments)
        assert done.returncode == 2
        assert words in done.stderr


def test_two_retrainings_never_run_at_once(tmp_path):
    place = Place(tmp_path / "home")
    place.home.mkdir()
    with (place.home / "retrain.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("4711")
        held.flush()
        done = place.run("retrain", "--once")
    assert done.returncode == 2
    assert "another retraining (pid 4711) is running" in done.stderr


def test_a_retraining_that_fails_says_so_with_its_exit_code(tmp_path):
    done = Place(tmp_path / "home").run("retrain", "--once")
    assert done.returncode == 4
    assert done.stderr.splitlines()[-2].startswith("error: ")
    assert done.stdout == ""


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """Five decisions with a retraining due among them, then many with a promotion somewhere among them."""
    place = Place(tmp_path_factory.mktemp("day") / "home", {"PAIRITY_GATE__NET_RETURN_MIN": "100"})
    with paper_exchange("--seed", "11") as exchange:
        due = floor_to(from_ms(exchange.state()["now_ms"]), HOUR) + timedelta(hours=2, minutes=30)
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        for arguments in (("ingest", *options, "--since", "22d"), ("train",)):
            done = place.run(*arguments)
            assert done.returncode == 0, done.stdout + done.stderr
        daily = {"PAIRITY_SERVE__RETRAIN": "true", "PAIRITY_RETRAIN__AT": f"{due:%H:%M}"}
        first = place.run("serve", *options, "--cycles", "5", **daily)
        assert first.returncode == 0, first.stdout + first.stderr
        yield place, due, first, promoted_while_trading(place, options)


def promoted_while_trading(place, options):
    process = place.start("serve", *options, "--cycles", "10000")
    output = ""
    while "status:" not in output:
        output += process.stdout.readline()
    done = place.run("promote", "2", "--force", "--reason", "a test")
    assert done.returncode == 0, done.stderr
    while "is champion now" not in output:
        line = process.stdout.readline()
        assert line, output
        output += line
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output + rest
    return output + rest


@pytest.mark.timeout(900)
def test_a_day_of_trading_retrains_once_and_scores_the_refused_one_in_shadow(day):
    """Virtual time stands still while the job runs: the challenger is there from the next decision on."""
    place, due, first, _ = day
    settings = Settings(home=place.home, universe={"assets": ASSETS})
    journal = Journal.read(Layout.of(settings).journal)
    decisions, shadows = journal.decisions(), journal.models.shadows()
    (retraining,) = journal.models.retrainings()
    vectors = {record.decision_id: journal.vectors(record.decision_id) for record in decisions}
    journal.close()

    assert (retraining.exit_code, retraining.due_at) == (0, due)
    assert retraining.started_at == retraining.ended_at
    assert "version 2 was not promoted: net: net return" in retraining.summary
    assert f"retraining of {due:%Y-%m-%d %H:%M} UTC: version 2 was not promoted" in first.stderr
    assert {record.model_version for record in decisions[:5]} == {"1"}
    shadowed = [r.decision_id for r in decisions if r.decision_time > due and r.model_version == "1"]
    assert len(shadowed) >= 3
    # Promoted between a decision and its shadow it is a challenger no more: that one decision has none
    assert [shadow.decision_id for shadow in shadows] in (shadowed, shadowed[:-1])
    assert {(shadow.model_version, shadow.failure) for shadow in shadows} == {("2", None)}

    challenger = load_scorer(settings, find_version(settings, "2"))
    for shadow in shadows:
        own = [v for v in vectors[shadow.decision_id] if v.service == challenger.ref.service.name]
        again = rescored(challenger, own)
        said = {name: struct.pack(">d", value) for name, value in shadow.probabilities.items() if value is not None}
        assert said == {name: again[name] for name in said}
    assert any(value is not None for shadow in shadows for value in shadow.probabilities.values())

    shown = place.run("models", "--shadow")
    assert shown.returncode == 0, shown.stderr
    assert "Challengers in shadow" in shown.stdout


@pytest.mark.timeout(900)
def test_a_promotion_while_trading_counts_from_the_next_decision(day):
    place, _, _, output = day
    assert "version 2 is champion now, before it 1" in output
    journal = Journal.read(place.home / "journal.db")
    versions = [record.model_version for record in journal.decisions()]
    journal.close()
    assert set(versions) == {"1", "2"}
    assert versions == sorted(versions)


def rescored(scorer, vectors):
    """Probabilities of a version from the journalled vectors, as bytes."""
    declared = find_service(scorer.ref.service.name)
    types = {name: make_schema(find_view(declared.view))[name] for name in declared.features}
    rows = pl.DataFrame([dict(vector.values) for vector in vectors], schema=types)
    values = positive_probabilities(scorer.estimator, build_model_matrix(rows, declared))
    return {vector.entity: struct.pack(">d", value) for vector, value in zip(vectors, values, strict=True)}
