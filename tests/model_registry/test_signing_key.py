"""The key lies where only its owner can reach it, or nothing is signed and nothing counts as signed."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from model_registry.private_folder import opened
from model_registry.signing_key import locate_key, open_keys
from pairity.errors import SignatureError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A data directory, and where the key would lie."""
    key = tmp_path / "config" / "pairity" / "signing.key"
    monkeypatch.setenv("PAIRITY_SIGNING_KEY", str(key))
    (tmp_path / "home").mkdir()
    return tmp_path / "home", key


def made(place):
    home, key = place
    with open_keys(home, to_sign=True) as opened_keys:
        return key, opened_keys.keys.signing


def refused(place):
    """The refusal, which both who signs and who verifies gets."""
    with pytest.raises(SignatureError) as to_sign, open_keys(place[0], to_sign=True):
        pytest.fail("it was opened to sign")
    with pytest.raises(SignatureError) as to_verify, open_keys(place[0]):
        pytest.fail("it was opened to verify")
    assert to_sign.value.what == to_verify.value.what
    return to_sign.value


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_the_key_is_made_at_first_use_for_its_owner_alone_whatever_the_umask(place, mask):
    before = os.umask(mask)
    try:
        key, signing = made(place)
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (key, key.parent)}
    assert modes == {key: 0o600, key.parent: 0o700}
    assert made(place) == (key, signing)
    assert len(signing.secret) == 32


def test_the_key_is_never_printed(place):
    _, signing = made(place)
    with open_keys(place[0]) as opened_keys:
        shown = repr(opened_keys) + str(opened_keys.keys) + repr(signing)
    assert signing.secret.hex() not in shown
    assert repr(signing.secret) not in shown
    assert signing.key_id not in signing.secret.hex()


def test_without_a_key_nothing_is_verified_and_none_is_made(place):
    with pytest.raises(SignatureError, match="there is no signing key at"), open_keys(place[0]):
        pytest.fail("it was opened")
    assert not place[1].parent.exists()


def test_its_place_is_the_user_s_configuration_unless_somebody_names_another(tmp_path, monkeypatch):
    monkeypatch.delenv("PAIRITY_SIGNING_KEY")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    home = tmp_path / "data"
    assert locate_key(home) == tmp_path / "me" / ".config" / "pairity" / "signing.key"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert locate_key(home) == tmp_path / "xdg" / "pairity" / "signing.key"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")  # the standard says: to be ignored
    assert locate_key(home) == tmp_path / "me" / ".config" / "pairity" / "signing.key"
    monkeypatch.setenv("PAIRITY_SIGNING_KEY", "~/keys/mine")
    assert locate_key(home) == tmp_path / "me" / "keys" / "mine"


@pytest.mark.parametrize("inside", ["signing.key", "deep/er/signing.key", "mlflow/signing.key"])
def test_a_key_inside_the_data_directory_is_refused(place, monkeypatch, inside):
    home, _ = place
    monkeypatch.setenv("PAIRITY_SIGNING_KEY", str(home / inside))
    error = refused(place)
    assert "lies inside the data directory" in error.what
    assert "PAIRITY_SIGNING_KEY=" in error.remedy
    assert list(home.iterdir()) == []


def test_the_home_of_nobody_is_no_place_for_a_key(place, monkeypatch):
    monkeypatch.setenv("PAIRITY_SIGNING_KEY", "~nobody-of-this-name/signing.key")
    with pytest.raises(SignatureError, match="PAIRITY_SIGNING_KEY begins with the home of a user that does not exist"):
        locate_key(Path("/"))


def test_a_link_does_not_hide_that_the_key_is_inside(place, monkeypatch, tmp_path):
    home, _ = place
    (tmp_path / "elsewhere").symlink_to(home)
    monkeypatch.setenv("PAIRITY_SIGNING_KEY", str(tmp_path / "elsewhere" / "k" / "signing.key"))
    assert "lies inside the data directory" in refused(place).what


def a_link(key):
    target = key.with_name("real")
    key.rename(target)
    key.symlink_to(target)


def a_folder(key):
    key.unlink()
    key.mkdir()


def a_pipe(key):
    key.unlink()
    os.mkfifo(key, 0o600)


def a_linked_folder(key):
    real = key.parent.with_name("real")
    key.parent.rename(real)
    key.parent.symlink_to(real)


def a_wide_way(key):
    key.parents[1].chmod(0o777)


DAMAGES = {
    "readable by all": (lambda key: key.chmod(0o644), "has the mode 0644", "chmod 600 "),
    "readable by the group": (lambda key: key.chmod(0o640), "has the mode 0640", "chmod 600 "),
    "writable by all": (lambda key: key.chmod(0o602), "has the mode 0602", "chmod 600 "),
    "folder open to all": (lambda key: key.parent.chmod(0o755), "has the mode 0755", "chmod 700 "),
    "folder writable by the group": (lambda key: key.parent.chmod(0o720), "has the mode 0720", "chmod 700 "),
    "way writable by all": (a_wide_way, "others may exchange what lies in it", "chmod go-w "),
    "a link": (a_link, "cannot be opened", "not a link"),
    "a linked folder": (a_linked_folder, "cannot be used", "not a link"),
    "a folder": (a_folder, "is no file", "move it away"),
    "a pipe": (a_pipe, "is no file", "move it away"),
    "empty": (lambda key: key.write_bytes(b""), "is no signing key", "restore it"),
    "short": (lambda key: key.write_bytes(b"ab" * 31 + b"\n"), "is no signing key", "restore it"),
    "capitals": (lambda key: key.write_bytes(b"AB" * 32 + b"\n"), "is no signing key", "restore it"),
    "binary": (lambda key: key.write_bytes(bytes(range(32))), "is no signing key", "restore it"),
    "two": (lambda key: key.write_bytes(key.read_bytes() * 2), "is no signing key", "restore it"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_key_that_others_may_reach_or_that_is_none_is_refused_with_the_command(place, name):
    damage, words, remedy = DAMAGES[name]
    key, signing = made(place)
    damage(key)
    error = refused(place)
    assert words in error.what
    assert remedy in error.remedy
    assert signing.secret.hex() not in str(error)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("whose", ["file", "folder"])
def test_a_key_of_somebody_else_is_refused(place, whose):
    key, _ = made(place)
    os.chown(key if whose == "file" else key.parent, 4711, -1)
    assert "belongs to user 4711" in refused(place).what


def test_a_key_that_is_gone_is_not_made_anew_while_its_ledgers_are_there(place):
    key, _ = made(place)
    key.with_name("signing.key.ledger-abc.json").write_text("{}")
    key.unlink()
    with pytest.raises(SignatureError, match="is gone") as caught, open_keys(place[0], to_sign=True):
        pytest.fail("a key was made")
    assert "restore the key from a copy" in caught.value.remedy
    assert not key.exists()


def test_many_processes_at_first_use_agree_on_one_key(place):
    home, key = place
    code = (
        "import sys; from pathlib import Path; from model_registry.signing_key import open_keys\n"
        "with open_keys(Path(sys.argv[1]), to_sign=True) as place: print(place.keys.signing.key_id)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(home)], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = {process.communicate(timeout=60)[0] for process in started}
    assert said == {f"{made(place)[1].key_id}\n"}
    assert sorted(path.name for path in key.parent.iterdir()) == [".signing.lock", "signing.key"]


def test_a_file_is_written_whole_or_not_at_all_and_never_through_a_link(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    with opened(tmp_path / "folder", create=True) as folder:
        (folder.path / f".file.{os.getpid()}.tmp").symlink_to(outside)
        folder.write("file", b"one")
        (folder.path / "file").unlink()
        (folder.path / "file").symlink_to(outside)
        folder.write("file", b"two")
        assert folder.read("file") == b"two"
        assert not folder.create("file", b"three")
        assert folder.list_names() == ["file"]
    assert outside.read_text() == "untouched"
    assert stat.S_IMODE((tmp_path / "folder" / "file").stat().st_mode) == 0o600
