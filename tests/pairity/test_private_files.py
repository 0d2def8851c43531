"""Made for their owner alone whatever the umask, never opened through what another has put there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairity import durable
from pairity.durable import (
    append_line,
    lock_exclusively,
    make_folder,
    move_folder,
    open_log,
    replace_file,
    replace_file_with,
    take_turns,
    temporary_path,
)
from pairity.errors import ConfigError, PrivacyError
from pairity.private_files import find_exposure, make_private_folder, open_private, require_private
from pairity.private_home import secure_home

NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a file away")


def mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=lambda value: f"{value:03o}")
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def lock(path: Path) -> None:
    lock_exclusively(path).close()


def turn(path: Path) -> None:
    with take_turns(path):
        pass


def log(path: Path) -> None:
    open_log(path).close()


def append(path: Path) -> None:
    make_folder(path.parent)
    append_line(path, "line")


def replace(path: Path) -> None:
    replace_file(path, b"new")


def moved(path: Path) -> None:
    staging = temporary_path(path.parent / "folder")
    make_folder(staging)
    (staging / path.name).write_bytes(b"a library's")
    os.chmod(staging / path.name, 0o644)
    move_folder(staging, path.parent / "folder")
    (path.parent / "folder" / path.name).rename(path)


OPENERS = [lock, turn, log, append, replace]


@pytest.mark.parametrize("write", [*OPENERS, moved])
def test_what_is_made_is_private_whatever_the_umask(tmp_path, umask, write):
    path = tmp_path / "one" / "two" / "file"
    write(path)
    assert mode(path) == 0o600
    assert [mode(path.parent), mode(path.parent.parent)] == [0o700, 0o700]
    write(path)
    assert mode(path) == 0o600


def test_what_a_library_writes_anew_is_private_too(tmp_path, umask):
    def write(temporary: Path) -> None:
        temporary.unlink()
        temporary.write_bytes(b"a library's")
        temporary.chmod(0o644)

    replace_file_with(tmp_path / "file", write)
    assert mode(tmp_path / "file") == 0o600


@pytest.mark.parametrize("write", [lock, turn, log, append])
def test_a_link_in_the_place_of_a_file_is_refused(tmp_path, write):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "file").symlink_to(victim)
    with pytest.raises(PrivacyError, match=f"is a link.*\n.*rm {tmp_path / 'file'}"):
        write(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "made by whom")
    with pytest.raises(PrivacyError, match="is a link"):
        write(tmp_path / "dangling")
    assert (victim.read_bytes(), (tmp_path / "made by whom").exists()) == (b"precious", False)


@pytest.mark.parametrize("write", [lock, turn, log, append])
def test_a_second_name_of_another_file_is_refused(tmp_path, write):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    os.link(victim, tmp_path / "file")
    with pytest.raises(PrivacyError, match="second name"):
        write(tmp_path / "file")
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("write", [lock, turn, log, append])
def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_refused_at_once(tmp_path, write):
    os.mkfifo(tmp_path / "file")
    with pytest.raises(PrivacyError, match="is no file"):
        write(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        write(tmp_path / "folder")


@AS_ROOT
@pytest.mark.parametrize("write", [lock, turn, log, append])
def test_a_file_of_another_user_is_refused(tmp_path, write):
    (tmp_path / "file").write_bytes(b"theirs")
    os.chown(tmp_path / "file", NOBODY, NOBODY)
    with pytest.raises(PrivacyError, match=f"belongs to user {NOBODY}"):
        write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"theirs"


def test_a_link_is_replaced_and_its_target_stays(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    for name, target in (
        ("to a file", victim),
        ("to nothing", tmp_path / "none"),
        ("to itself", tmp_path / "to itself"),
    ):
        (tmp_path / name).symlink_to(target)
        replace_file(tmp_path / name, b"new")
        assert ((tmp_path / name).is_symlink(), (tmp_path / name).read_bytes()) == (False, b"new")
    assert (victim.read_bytes(), (tmp_path / "none").exists()) == (b"precious", False)


def test_names_of_temporary_files_cannot_be_foreseen_and_a_planted_one_is_not_used(tmp_path, monkeypatch):
    path = tmp_path / "file"
    assert len({temporary_path(path) for _ in range(100)}) == 100
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    planted = tmp_path / ".planted.tmp"
    planted.symlink_to(victim)
    monkeypatch.setattr(durable, "temporary_path", lambda _: planted)  # the attacker guessed
    with pytest.raises(OSError, match=r"exists|link"):
        replace_file(path, b"secret")
    assert (victim.read_bytes(), path.exists()) == (b"precious", False)


@AS_ROOT
def test_a_pipe_of_another_user_is_not_written_into(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.chown(tmp_path / "pipe", NOBODY, NOBODY)
    with pytest.raises(PrivacyError, match=f"belongs to user {NOBODY}"):
        replace_file(tmp_path / "pipe", b"secret")
    (tmp_path / "link").symlink_to("/dev/null")
    os.lchown(tmp_path / "link", NOBODY, NOBODY)
    with pytest.raises(PrivacyError):
        replace_file(tmp_path / "link", b"secret")


def test_standard_output_can_be_named_even_where_it_is_a_file(tmp_path):
    code = "from pathlib import Path; from pairity.durable import replace_file; replace_file(Path('/dev/stdout'), b'x')"
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == b"x"
    assert Path("/dev/stdout").is_symlink()


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666, 0o777])
def test_what_is_open_to_others_is_refused_with_one_command(tmp_path, bits):
    names = [tmp_path / name for name in ("journal.db", "journal.db-wal", "a name")]
    for path in names:
        path.touch()
        path.chmod(bits)
    with pytest.raises(PrivacyError) as caught:
        require_private([*names, tmp_path / "not there"])
    assert caught.value.remedy == f"run: chmod 600 {names[0]} {names[1]} '{names[2]}'"
    subprocess.run(caught.value.remedy.removeprefix("run: "), shell=True, check=True)
    require_private(names)
    assert find_exposure(names[0]) is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bits=st.integers(0, 0o777), others_may_read=st.booleans())
def test_exposure_is_what_the_bits_say_and_the_command_ends_it(tmp_path, bits, others_may_read):
    path = tmp_path / "file"
    path.touch()
    path.chmod(bits)
    found = find_exposure(path, others_may_read=others_may_read)
    assert (found is not None) == bool(bits & (0o002 if others_may_read else 0o077))
    if found is not None:
        assert str(path) in found.remedy
        path.chmod(int(found.remedy.split()[2], 8))
        assert find_exposure(path, others_may_read=others_may_read) is None


def test_a_folder_that_another_user_made_first_is_refused(tmp_path, monkeypatch):
    target, really = tmp_path / "home", Path.mkdir

    def theirs(path: Path, *args, **kwargs):
        really(path)
        monkeypatch.setattr(os, "geteuid", lambda: 4711)  # as if we were not who has made it
        raise FileExistsError(path)

    monkeypatch.setattr(Path, "mkdir", theirs)
    with pytest.raises(PrivacyError, match="belongs to user"):
        make_private_folder(target)


def test_folders_that_are_there_stay_as_they_are(tmp_path):
    (tmp_path / "there").mkdir(mode=0o755)
    os.chmod(tmp_path / "there", 0o755)
    assert make_private_folder(tmp_path / "there" / "new") == [tmp_path / "there" / "new"]
    assert [mode(tmp_path / "there"), mode(tmp_path / "there" / "new")] == [0o755, 0o700]


def test_a_descriptor_is_closed_when_a_file_is_refused(tmp_path):
    (tmp_path / "victim").touch()
    os.link(tmp_path / "victim", tmp_path / "file")
    before = len(os.listdir("/dev/fd"))
    for _ in range(20):
        with pytest.raises(PrivacyError):
            open_private(tmp_path / "file", os.O_WRONLY)
    assert len(os.listdir("/dev/fd")) == before


# The data directory


@pytest.mark.parametrize("bits", [0o755, 0o750, 0o701, 0o777, 0o710, 0o775])
@pytest.mark.parametrize("entries", [[], ["lake", "notes"], ["journal.db"], ["demo-synthetic"]])
def test_a_home_that_others_can_enter_is_closed_and_it_is_said(tmp_path, bits, entries):
    home, said = tmp_path / "var", []
    home.mkdir()
    for name in entries:
        (home / name).touch()
    home.chmod(bits)
    secure_home(home, said.append)
    assert mode(home) == 0o700
    assert len(said) == 1
    assert f"{home} was open to other users" in said[0]
    secure_home(home, said.append)
    assert len(said) == 1


@pytest.mark.parametrize(("bits", "entry"), [(0o755, "etc"), (0o1777, "lake"), (0o700 | 0o1055, "lake")])
def test_a_folder_that_others_need_is_not_closed_but_refused(tmp_path, bits, entry):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / entry).touch()
    shared.chmod(bits)
    with pytest.raises(PrivacyError, match=f"others can enter {shared}") as caught:
        secure_home(shared, print)
    assert f"chmod 700 {shared}" in caught.value.remedy
    assert mode(shared) == bits


def test_a_home_that_is_not_there_yet_is_made_later(tmp_path):
    said = []
    secure_home(tmp_path / "var" / "deeper", said.append)
    assert (list(tmp_path.iterdir()), said) == ([], [])


def test_a_link_of_the_owner_leads_to_the_home(tmp_path):
    disk, home, said = tmp_path / "disk", tmp_path / "var", []
    disk.mkdir()
    disk.chmod(0o755)
    home.symlink_to(disk)
    secure_home(home, said.append)
    assert (mode(disk), home.is_symlink(), len(said)) == (0o700, True, 1)
    (tmp_path / "dangling").symlink_to(tmp_path / "later")
    secure_home(tmp_path / "dangling", said.append)


@AS_ROOT
def test_a_home_or_a_link_of_another_user_is_refused(tmp_path):
    theirs, link = tmp_path / "theirs", tmp_path / "link"
    theirs.mkdir()
    mine = tmp_path / "mine"
    mine.mkdir()
    link.symlink_to(mine)
    theirs.chmod(0o755)
    os.chown(theirs, NOBODY, NOBODY)
    os.lchown(link, NOBODY, NOBODY)
    (tmp_path / "my link").symlink_to(theirs)
    for home in (theirs, link, tmp_path / "my link"):
        with pytest.raises(PrivacyError, match=f"belongs to user {NOBODY}.*\n.*PAIRITY_HOME"):
            secure_home(home, print)
    assert mode(theirs) == 0o755


@pytest.mark.parametrize("name", ["var", "deep/er/var"])
def test_a_home_below_a_folder_that_is_open_to_all_is_refused_unless_it_is_sticky(tmp_path, name):
    shared = tmp_path / "shared folder"
    home = shared / name
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(PrivacyError, match="is open to all") as caught:
        secure_home(home, print)
    assert f"chmod go-w '{shared}'" in caught.value.remedy
    shared.chmod(0o1777)
    make_private_folder(home)
    secure_home(home, print)
    assert mode(home) == 0o700
    (tmp_path / "link").symlink_to(home)
    shared.chmod(0o777)
    with pytest.raises(PrivacyError, match="is open to all"):
        secure_home(tmp_path / "link", print)


@AS_ROOT
@pytest.mark.parametrize("name", ["var", "deep/er/var"])
def test_a_home_below_a_folder_of_another_user_or_group_is_refused(tmp_path, name):
    shared = tmp_path / "shared"
    home = shared / name
    make_private_folder(home)
    os.chown(shared, NOBODY, NOBODY)
    with pytest.raises(PrivacyError, match=f"belongs to user {NOBODY}, and .* lies in it"):
        secure_home(home, print)
    os.chown(shared, 0, NOBODY)
    shared.chmod(0o770)
    with pytest.raises(PrivacyError, match=f"open to group {NOBODY}") as caught:
        secure_home(home, print)
    subprocess.run(caught.value.remedy.partition("run: ")[2], shell=True, check=True)
    secure_home(home, print)
    shared.chmod(0o1770)
    secure_home(home, print)


@AS_ROOT
@pytest.mark.parametrize("bits", [0o620, 0o664, 0o660])
def test_a_file_that_another_group_can_write_is_exposed(tmp_path, bits):
    path = tmp_path / "pairity.toml"
    path.touch()
    path.chmod(bits)
    assert find_exposure(path, others_may_read=True) is None  # the group of the owner alone
    os.chown(path, 0, NOBODY)
    path.chmod(bits)
    found = find_exposure(path, others_may_read=True)
    assert found is not None
    assert "others can write" in found.what
    subprocess.run(found.remedy.removeprefix("run: "), shell=True, check=True)
    assert find_exposure(path, others_may_read=True) is None


def test_a_home_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "var").touch(0o600)
    with pytest.raises(ConfigError, match="is no folder"):
        secure_home(tmp_path / "var", print)
