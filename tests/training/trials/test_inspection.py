"""What the inspection of a ledger finds: damage, hours that are there twice, lines that are gone or moved."""

import os
from datetime import timedelta

import pytest

from tests.training.trials.runs import HOUR, NOW, START, make_run
from training.trials.inspection import inspect_ledger
from training.trials.ledger import TrialLedger
from training.trials.records import LookRecord


@pytest.fixture
def ledger(tmp_path):
    ledger = TrialLedger(tmp_path / "trials")
    ledger.record([make_run(data="d"), make_run("b", seed=1)], "leaderboard", NOW)
    ledger.record([make_run(seed=2, data="d")], "training", NOW + HOUR)  # another code: variant 1 of the first line
    ledger.record_look(LookRecord("a", NOW + 2 * HOUR, START, START + 9 * HOUR, {}, ""))
    ledger.record([make_run("b", START + 100 * HOUR, seed=1)], "training", NOW + 3 * HOUR)
    return ledger


def lines_of(ledger):
    return ledger.path.read_bytes().split(b"\n")[:-1]


def rewrite(ledger, lines, rest=b""):
    ledger.path.write_bytes(b"".join(line + b"\n" for line in lines) + rest)


def test_a_ledger_as_it_was_written_and_none_at_all_have_no_flaw(ledger, tmp_path):
    before = ledger.path.read_bytes()
    assert inspect_ledger(ledger) == []
    assert inspect_ledger(TrialLedger(tmp_path / "nowhere")) == []
    assert ledger.path.read_bytes() == before
    assert not (tmp_path / "nowhere").exists()


def test_what_a_killed_process_left_is_no_flaw(ledger):
    rewrite(ledger, lines_of(ledger), b'{"kind": "retu')
    assert inspect_ledger(ledger) == []


@pytest.mark.parametrize("line", [b"", b"{}", b"nonsense", b'{"kind": "look"}'])
def test_a_damaged_line_stops_and_is_named(ledger, line):
    rewrite(ledger, [*lines_of(ledger)[:2], line, *lines_of(ledger)[2:]])
    (flaw,) = inspect_ledger(ledger)
    assert (flaw.what, flaw.stops) == ("the ledger of trials is damaged", True)
    assert flaw.fact.startswith("line 3: ")
    assert str(ledger.path) in flaw.remedy


def test_changed_returns_are_damage(ledger):
    lines = lines_of(ledger)
    rewrite(ledger, [lines[0].replace(b'"sha256": "', b'"sha256": "0'), *lines[1:]])
    (flaw,) = inspect_ledger(ledger)
    assert "line 1: its returns are not those of its digest" in flaw.fact


@pytest.mark.parametrize(("copied", "words"), [(1, "240 hours"), (3, "repeats the look of line 4")])
def test_a_line_that_was_copied_is_there_twice(ledger, copied, words):
    lines = lines_of(ledger)
    rewrite(ledger, [*lines[: copied + 1], lines[copied], *lines[copied + 1 :]])
    (flaw,) = inspect_ledger(ledger)
    assert flaw.what == "the ledger of trials keeps hours of a trial twice"
    assert words in flaw.fact
    assert not flaw.stops


def test_a_line_that_was_taken_out_leaves_a_number_without_the_one_before(ledger):
    rewrite(ledger, lines_of(ledger)[1:])
    (flaw,) = inspect_ledger(ledger)
    assert flaw.what == "trials were taken out of the ledger"
    assert "is number 1, after 0 others" in flaw.fact


def test_lines_that_were_moved_are_not_in_order(ledger):
    lines = lines_of(ledger)
    rewrite(ledger, [*lines[:2], *reversed(lines[2:])])
    flaws = inspect_ledger(ledger)
    assert [(flaw.what, flaw.certain) for flaw in flaws] == [
        ("lines of the ledger of trials are not in the order of their times", False)
    ]


def test_a_ledger_that_others_can_change(ledger):
    ledger.path.chmod(0o666)
    (flaw,) = inspect_ledger(ledger)
    assert (flaw.what, flaw.remedy) == ("others can change the ledger of trials", f"chmod 600 {ledger.path}")


def test_what_is_no_file_cannot_be_read(ledger):
    os.remove(ledger.path)
    ledger.path.mkdir()
    (flaw,) = inspect_ledger(ledger)
    assert (flaw.what, flaw.stops) == ("the ledger of trials cannot be read", True)


def test_many_faults_are_counted_and_some_are_named(ledger):
    rewrite(ledger, [b"x"] * 40)
    (flaw,) = inspect_ledger(ledger)
    assert flaw.fact.endswith("; and 35 more")


def test_daily_trainings_of_years_are_no_flaw(tmp_path):
    ledger = TrialLedger(tmp_path / "trials")
    for day in range(40):
        ledger.record(
            [make_run(first=START + day * 24 * HOUR, seed=7, data="d")], "training", NOW + timedelta(days=day)
        )
    assert inspect_ledger(ledger) == []
