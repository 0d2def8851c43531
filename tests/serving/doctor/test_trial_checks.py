"""What the doctor says of the ledger of trials."""

import os

import pytest

from pairity.evaluation_settings import TrialSettings
from pairity.settings import Settings
from pairity_cli import trial_findings
from serving.doctor import trial_checks
from serving.doctor.case import Case
from serving.doctor.findings import Severity, SkippedError, Sure
from tests.serving.doctor.test_judges import file_system
from tests.training.trials.runs import NOW, make_run
from training.trials.ledger import TrialLedger

(CHECK,) = trial_checks.CHECKS


@pytest.fixture
def case(tmp_path):
    (tmp_path / "home").mkdir(mode=0o700)
    settings = Settings(home=tmp_path / "home", trials=TrialSettings(folder=tmp_path / "trials"))
    return case_of(settings)


def case_of(settings):
    return Case(live=False, settings=settings, refused=None, find_trial_flaws=trial_findings.find_trial_flaws)


def look(case):
    return [(item.severity, item.what, item.sure) for item in CHECK.run(case)]


def test_nothing_is_said_of_a_ledger_that_is_well_or_not_there(case):
    assert look(case) == []
    ledger = TrialLedger.of(case.settings)
    ledger.record([make_run()], "training", NOW)
    before = ledger.path.read_bytes()
    assert look(case) == []
    assert ledger.path.read_bytes() == before


def test_what_stops_training_is_a_fault_and_what_is_odd_a_warning(case):
    ledger = TrialLedger.of(case.settings)
    ledger.record([make_run()], "training", NOW)
    line = ledger.path.read_bytes()
    ledger.path.write_bytes(line + line)
    twice = "the ledger of trials keeps hours of a trial twice"
    assert look(case) == [(Severity.WARNING, twice, Sure.CERTAIN)]
    ledger.path.write_bytes(b"nonsense\n" + line)
    (finding,) = CHECK.run(case)
    assert (finding.severity, finding.what) == (Severity.FAULT, "the ledger of trials is damaged")
    assert finding.command == f"restore {ledger.path} from a copy"
    assert finding.fact.startswith("line 1: ")


def test_a_file_in_the_place_of_the_folder_is_a_fault(case):
    case.settings.trials.folder.write_text("x")
    assert (Severity.FAULT, "the ledger of trials has no place", Sure.CERTAIN) in look(case)


def test_a_disk_of_its_own_is_looked_at_and_that_of_the_home_is_not(case, monkeypatch):
    TrialLedger.of(case.settings).record([make_run()], "training", NOW)
    monkeypatch.setattr(os, "statvfs", lambda _: file_system(free_mib=1))
    assert look(case) == []
    monkeypatch.setattr(trial_findings, "_lies_with", lambda *_: False)
    assert look(case) == [(Severity.FAULT, "the disk is full", Sure.CERTAIN)]


def test_without_a_home_directory_the_folder_must_be_named(case, monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError()))
    homeless = case_of(Settings(home=case.settings.home))
    (finding,) = CHECK.run(homeless)
    assert (finding.severity, finding.command) == (Severity.FAULT, "name a folder: PAIRITY_TRIALS__FOLDER")


def test_a_program_that_does_not_know_the_ledger_makes_no_check(case):
    with pytest.raises(SkippedError, match="nothing here knows"):
        CHECK.run(Case(live=False, settings=case.settings, refused=None))
