"""The journal is its owner's alone: its file, what SQLite keeps beside it, its lock."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from pairity.errors import PrivacyError
from serving.journal import Journal
from tests.serving.trading import RUN

BESIDE = ["journal.db", "journal.db-wal", "journal.db-shm", "journal.lock"]


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_every_file_of_a_journal_is_private_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        journal = Journal.open(tmp_path / "home" / "journal.db")
        journal.record_run(RUN)
        assert modes(tmp_path / "home") == dict.fromkeys(BESIDE, 0o600)
        assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
        reader = Journal.read(tmp_path / "home" / "journal.db")
        reader.close()
        journal.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
@pytest.mark.parametrize("bits", [0o644, 0o640, 0o660, 0o606])
def test_a_journal_that_others_can_read_is_refused_with_the_command(tmp_path, name, bits):
    path = tmp_path / "journal.db"
    Journal.open(path).close()
    (tmp_path / name).touch()
    (tmp_path / name).chmod(bits)
    for use in (Journal.open, Journal.read):
        with pytest.raises(PrivacyError) as caught:
            use(path)
        assert caught.value.remedy == f"run: chmod 600 {tmp_path / name}"
    subprocess.run(caught.value.remedy.removeprefix("run: "), shell=True, check=True)
    Journal.read(path).close()
    Journal.open(path).close()  # the refused one left no lock behind


@pytest.mark.parametrize("name", BESIDE)
def test_a_link_in_the_place_of_a_file_of_the_journal_is_refused(tmp_path, name):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.write_bytes(b"")
    elsewhere.chmod(0o600)
    (home / name).symlink_to(elsewhere)
    with pytest.raises(PrivacyError, match="is a link"):
        Journal.open(home / "journal.db")
    assert elsewhere.read_bytes() == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a file away")
def test_a_journal_of_another_user_is_refused(tmp_path):
    path = tmp_path / "journal.db"
    Journal.open(path).close()
    os.chown(path, 65534, 65534)
    for use in (Journal.open, Journal.read):
        with pytest.raises(PrivacyError, match="belongs to user 65534"):
            use(path)
