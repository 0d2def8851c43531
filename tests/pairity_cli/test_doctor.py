"""The command: its options, its words, its exit codes. What it finds is in tests/serving/doctor."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pairity_cli.main import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    return lambda *arguments: CliRunner().invoke(main, ["doctor", *arguments])


def test_programs_read_json(run):
    done = run("--json", "--only", "tokens,home")
    document = json.loads(done.stdout)
    assert [entry["check"] for entry in document["checks"]] == ["tokens", "home"]
    assert [entry["status"] for entry in document["checks"]] == ["ok", "fault"]
    assert (done.exit_code, document["exit_code"]) == (2, 2)


def test_people_read_what_is_wrong_how_sure_that_is_and_what_mends_it(run, tmp_path):
    done = run("--only", "data directory")
    assert done.exit_code == 2
    assert "FAULT: there is no data directory" in done.stdout
    assert f"certain: {tmp_path / 'home'} does not exist" in done.stdout
    assert f"→ PAIRITY_HOME={tmp_path / 'home'} pairity ingest --since 60d" in done.stdout
    assert "disk: there is no data directory" in done.stdout  # skipped, with its reason
    assert done.stdout.rstrip().endswith("1 fault (1 check, 1 not made)")


def test_a_healthy_group_is_silent(run, tmp_path):
    (tmp_path / "home").mkdir(0o700)
    done = run("--only", "home,tokens,mode")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "nothing is wrong (3 checks)")


def test_warnings_count_where_that_is_asked_for(run, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o750)
    assert run("--only", "home").exit_code == 0
    assert run("--only", "home", "--strict").exit_code == 1
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o750  # said, not mended


def test_an_unknown_check_lists_those_that_exist(run):
    done = run("--only", "dsik")
    assert done.exit_code == 2
    assert "did you mean 'disk'" in done.stderr


def test_settings_that_cannot_be_read_are_a_finding(run, tmp_path):
    (tmp_path / "pairity.toml").write_text("[serve]\nprot = 1\n")
    done = run("--json", "--only", "configuration,home,python")
    statuses = {entry["check"]: entry["status"] for entry in json.loads(done.stdout)["checks"]}
    assert statuses == {"python": "ok", "configuration": "fault", "home": "skipped"}
