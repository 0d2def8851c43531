"""Files of the data directory that were damaged or planted: each reader says which, and no traceback is printed."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairity.digest import digest_bytes
from pairity.errors import DataError, PairityError
from pairity.layout import Layout
from pairity_cli.main import main
from tests.examples import examples
from tests.pairity_cli.damaged_home import ASSETS, COMMANDS, DAMAGES, KINDS, READERS, make_home


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    home = tmp_path_factory.mktemp("sound") / "home"
    make_home(home)
    return home


@pytest.fixture
def home(sound, tmp_path, monkeypatch):
    shutil.copytree(sound, tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", str(list(ASSETS)).replace("'", '"'))
    return tmp_path / "home"


def one_of(home, kind):
    return next(iter(sorted(home.glob(KINDS[kind]))))


def read_all(home):
    """Read with every reader; return the errors by reader. What is raw goes through."""
    said = {}
    for name, read in READERS.items():
        try:
            read(Layout(home))
        except PairityError as error:
            said[name] = error
    return said


def test_every_reader_reads_what_is_sound(home):
    assert read_all(home) == {}
    for command in COMMANDS:
        done = CliRunner().invoke(main, command)
        assert isinstance(done.exception, SystemExit | None), command


OF_BYTES = {"empty", "cut", "flipped", "noise", "null"}
"""Damages of any file; the others are of texts, and of a Parquet file all the same to its reader."""


def list_damages():
    """Every kind with every damage; those of texts in a Parquet file are slow."""
    for kind, pattern in KINDS.items():
        for damage in DAMAGES:
            slow = pattern.endswith(".parquet") and damage not in OF_BYTES
            yield pytest.param(kind, damage, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("kind", "damage"), [*list_damages()])
def test_a_damaged_file_is_named(home, kind, damage):
    path = one_of(home, kind)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    for error in read_all(home).values():
        assert isinstance(error, DataError)
        assert error.remedy
        # The file itself, or the folder of the partition.
        assert str(path) in str(error) or str(path.parent) in str(error)
        assert len(str(error)) < 1500


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_named_and_not_waited_for(home, kind, make):
    path = one_of(home, kind)
    path.unlink()
    make(path)
    for error in read_all(home).values():
        assert str(path) in str(error) or str(path.parent) in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_commands_print_no_traceback(home, kind):
    path = one_of(home, kind)
    path.write_bytes(DAMAGES["flipped"](path.read_bytes()))
    for command in COMMANDS:
        done = CliRunner().invoke(main, command)
        assert isinstance(done.exception, SystemExit | None), (command, done.exc_info)
        assert "Traceback" not in done.output


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_command_prints_a_traceback(home, kind, damage):
    path = one_of(home, kind)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    for command in (*COMMANDS, ("features",), ("data-docs",), ("train", "--no-compare"), ("trade-sheet",)):
        done = CliRunner().invoke(main, command)
        assert isinstance(done.exception, SystemExit | None), (command, done.exc_info)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(KINDS)), st.floats(0, 1), st.binary(min_size=1, max_size=12), st.booleans())
def test_any_change_of_bytes_is_found_or_harmless(sound, tmp_path_factory, kind, where, data, insert):
    home = tmp_path_factory.mktemp("changed") / "home"
    shutil.copytree(sound, home)
    path = one_of(home, kind)
    content = path.read_bytes()
    at = int(where * len(content))
    path.write_bytes(content[:at] + data + content[at + (0 if insert else len(data)) :])
    with suppress(DataError):
        read_all(home)
    shutil.rmtree(home)


def test_a_record_does_not_choose_which_file_is_read(home):
    """A consistent record, with its digest, that names a file elsewhere."""
    old = one_of(home, "commit")
    segment = one_of(home, "segment")
    content = old.read_bytes().replace(segment.name.encode(), f"../../../{segment.name}".encode())
    (home / segment.name).write_bytes(segment.read_bytes())
    old.unlink()
    name = old.name.partition("-")[0]
    (old.parent / f"{name}-{digest_bytes(content)[:16]}.json").write_bytes(content)
    assert "is not the name of its segment" in str(read_all(home)["lake"])


@pytest.mark.parametrize("asset", ["..", "../../x", "a/b", "", ".hidden", "A\x1b[2J"])
def test_a_record_does_not_choose_which_folder_is_written(home, asset):
    old = one_of(home, "commit")
    record = json.loads(old.read_bytes())
    pieces = record["datasets"]["funding"]["partitions"]
    record["datasets"]["funding"]["partitions"] = {f"{asset}/2025-03": pieces.popitem()[1]}
    content = json.dumps(record).encode()
    old.unlink()
    (old.parent / f"{old.name.partition('-')[0]}-{digest_bytes(content)[:16]}.json").write_bytes(content)
    assert "an asset is 1 to 20 capital letters" in str(read_all(home)["lake"])


@pytest.mark.parametrize(
    ("field", "value"),
    [("key", "BTC/2025-03/.."), ("key", "BTC/2025-03/../../x"), ("dataset", "funding"), ("id", "0"), ("key", 5)],
)
def test_a_quarantine_item_is_about_its_own_folder(home, field, value):
    path = one_of(home, "quarantine reason")
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    assert str(path) in str(read_all(home)["quarantine"])


def test_a_folder_that_is_no_month_is_named(home):
    folder = one_of(home, "manifest").parents[1] / "month=2025-3"
    folder.mkdir()
    said = str(read_all(home)["lake"])
    assert str(folder.parent) in said
    assert "'2025-3' is no name of a month" in said
