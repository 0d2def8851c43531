"""Old or new, never half: a fault at every step of a replacement, and the order of the flushes."""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import polars as pl
import pytest

from pairity import durable
from pairity.durable import (
    append_line,
    discard_folder,
    make_folder,
    move_folder,
    remove_flushed,
    remove_unfinished,
    rename_flushed,
    replace_file,
    replace_file_with,
    temporary_path,
)

ROOT = Path(__file__).parents[2]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def calls(monkeypatch):
    """What is done to the disk, in order: `write NAME`, `fsync NAME`, `replace OLD NEW`."""
    made: list[str] = []
    really = {name: getattr(os, name) for name in ("open", "fsync", "replace")}
    handles: dict[int, str] = {}

    def spy_open(path, *args, **kwargs):
        handle = really["open"](path, *args, **kwargs)
        handles[handle] = Path(path).name
        return handle

    def spy_fsync(handle):
        made.append(f"fsync {handles.pop(handle, 'an open file')}")
        return really["fsync"](handle)

    def spy_replace(source, target):
        made.append(f"replace {Path(source).name} {Path(target).name}")
        return really["replace"](source, target)

    for name, spy in (("open", spy_open), ("fsync", spy_fsync), ("replace", spy_replace)):
        monkeypatch.setattr(os, name, spy)
    return made


def test_content_is_flushed_before_the_rename_and_the_folder_after_it(tmp_path, calls):
    replace_file(tmp_path / "a.json", b"new")
    temporary = calls[0].removeprefix("fsync ")
    assert re.fullmatch(rf"\.a\.json\.{os.getpid()}\.[0-9a-f]{{8}}\.tmp", temporary)
    assert calls == [f"fsync {temporary}", f"replace {temporary} a.json", f"fsync {tmp_path.name}"]


def test_a_new_folder_is_flushed_into_its_parent_from_the_top_down(tmp_path, calls):
    replace_file(tmp_path / "one" / "two" / "a.json", b"new")
    assert calls[:2] == [f"fsync {tmp_path.name}", "fsync one"]
    assert calls[-1] == "fsync two"
    calls.clear()
    make_folder(tmp_path / "one" / "two")
    assert calls == []


def test_what_need_not_be_durable_is_renamed_all_the_same_and_flushed_nowhere(tmp_path, calls):
    replace_file(tmp_path / "one" / "a.json", b"new", durable=False)
    assert [call.split()[::2] for call in calls] == [["replace", "a.json"]]
    assert (tmp_path / "one" / "a.json").read_bytes() == b"new"


def test_a_folder_is_flushed_from_the_leaves_up_before_it_gets_its_name(tmp_path, calls):
    staging = tmp_path / ".staging"
    (staging / "inner").mkdir(parents=True)
    for path in (staging / "rows", staging / "inner" / "leaf"):
        path.write_bytes(b"1")
    move_folder(staging, tmp_path / "item")
    assert calls == [
        "fsync leaf",
        "fsync inner",
        "fsync rows",
        "fsync .staging",
        "replace .staging item",
        f"fsync {tmp_path.name}",
    ]
    assert names(tmp_path / "item") == ["inner", "rows"]


def test_a_line_is_flushed_and_so_is_the_folder_of_a_new_journal(tmp_path, calls):
    for line in ("first", "zweite Zeile: ±5%"):
        append_line(tmp_path / "journal.jsonl", line)
    assert calls == ["fsync journal.jsonl", f"fsync {tmp_path.name}", "fsync journal.jsonl"]
    assert (tmp_path / "journal.jsonl").read_text(encoding="utf-8") == "first\nzweite Zeile: ±5%\n"


def test_what_is_removed_for_good_is_flushed_once_per_folder(tmp_path, calls):
    for name in ("one", "two"):
        (tmp_path / name).touch()
    remove_flushed([tmp_path / "one", tmp_path / "two", tmp_path / "gone already", tmp_path / "no folder" / "either"])
    assert calls == [f"fsync {tmp_path.name}"]
    assert names(tmp_path) == []


def test_what_was_flushed_before_is_only_renamed_and_its_folder_flushed(tmp_path, calls):
    (tmp_path / "next").write_bytes(b"2")
    rename_flushed(tmp_path / "next", tmp_path / "now")
    assert calls == ["replace next now", f"fsync {tmp_path.name}"]


FAULTS = [
    ("write_bytes", PermissionError(errno.EACCES, "not allowed")),
    ("write_bytes", OSError(errno.ENOSPC, "no space left")),
    ("fsync", OSError(errno.ENOSPC, "no space left")),
    ("fsync", OSError(errno.EIO, "the disk gave up")),
    ("replace", PermissionError(errno.EACCES, "not allowed")),
    ("replace", KeyboardInterrupt()),
]


@pytest.mark.parametrize(("step", "error"), FAULTS)
@pytest.mark.parametrize("old", [b"old", None])
def test_an_error_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch, step, error, old):
    path = tmp_path / "a.json"
    if old is not None:
        path.write_bytes(old)

    def fail(*args):
        if step == "write_bytes":  # half of it is on the disk when the space is gone
            with Path.open(args[0], "wb") as file:
                file.write(args[1][: len(args[1]) // 2])
        raise error

    monkeypatch.setattr(Path if step == "write_bytes" else os, step, fail)
    with pytest.raises(type(error)):
        replace_file(path, b"new content")
    monkeypatch.undo()
    assert (path.read_bytes() if path.exists() else None) == old
    assert names(tmp_path) == ([] if old is None else ["a.json"])


def test_an_error_of_the_writer_leaves_the_old_file_and_no_temporary_one(tmp_path):
    replace_file(tmp_path / "a.csv", b"old")

    def write(temporary: Path) -> None:
        temporary.write_bytes(b"hal")
        raise ValueError("no such column")

    with pytest.raises(ValueError, match="no such column"):
        replace_file_with(tmp_path / "a.csv", write)
    assert (tmp_path / "a.csv").read_bytes() == b"old"
    assert names(tmp_path) == ["a.csv"]


def test_a_folder_that_may_not_be_written_keeps_its_file(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    replace_file(tmp_path / "a.json", b"old")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            replace_file(tmp_path / "a.json", b"new")
    finally:
        tmp_path.chmod(0o700)
    assert names(tmp_path) == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == b"old"


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from pairity import durable

    path, number, when = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    steps = 0

    def deadly(really):
        def step(*args, **kwargs):
            global steps
            steps += 1
            if steps == number and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = really(*args, **kwargs)
            if steps == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        return step

    for name in ("mkdir", "fsync", "replace"):
        setattr(os, name, deadly(getattr(os, name)))

    def write(temporary):  # in two halves, each a step of its own
        with temporary.open("wb") as file:
            for half in (b"new ", b"content"):
                deadly(file.write)(half)
                file.flush()

    durable.replace_file_with(path, write)
"""
STEPS = 5  # two halves written, flushed, renamed, folder flushed; two more where the folder must be made


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(1, STEPS + 3))
@pytest.mark.parametrize("old", [b"old", None])
def test_killed_at_each_step_there_is_the_old_file_or_the_new_one(tmp_path, step, when, old):
    root = tmp_path / "root"
    path = root / "folder" / "a.parquet"
    root.mkdir()
    if old is not None:
        replace_file(path, old)
    code = [sys.executable, "-c", textwrap.dedent(KILLED), str(path), str(step), when]
    ended = subprocess.run(code, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode
    steps = STEPS if old is not None else STEPS + 2
    assert ended == (-signal.SIGKILL if step <= steps else 0)
    found = path.read_bytes() if path.exists() else None
    renamed = step >= steps if when == "before" else step >= steps - 1
    assert found == (b"new content" if renamed else old)
    remove_unfinished(root)
    left = names(path.parent) if path.parent.exists() else []
    assert left == ([] if found is None else ["a.parquet"])
    replace_file(path, b"new content")
    assert names(path.parent) == ["a.parquet"]


def test_a_temporary_file_is_none_that_readers_look_for(tmp_path):
    path = temporary_path(tmp_path / "month=2025-03" / "part.parquet")
    path.parent.mkdir()
    path.write_bytes(b"PAR1")
    assert list(tmp_path.glob("month=*/*.parquet")) == []
    remove_unfinished(tmp_path)
    assert names(path.parent) == []


def test_what_was_abandoned_an_hour_ago_goes_with_the_next_write_of_that_file(tmp_path):
    fresh, stale, other = (tmp_path / name for name in (".a.csv.1.tmp", ".a.csv.2.tmp", ".b.csv.2.tmp"))
    for path in (fresh, stale, other):
        path.write_bytes(b"hal")
    for path in (stale, other):
        os.utime(path, (time.time() - 3700, time.time() - 3700))
    replace_file(tmp_path / "a.csv", b"whole")
    assert names(tmp_path) == [".a.csv.1.tmp", ".b.csv.2.tmp", "a.csv"]


def test_a_discarded_folder_is_gone_and_what_a_kill_leaves_of_it_is_hidden(tmp_path, monkeypatch):
    folder = tmp_path / "month=2025-03"
    folder.mkdir()
    (folder / "part.parquet").write_bytes(b"PAR1")
    with monkeypatch.context() as patched:
        patched.setattr(durable.shutil, "rmtree", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            discard_folder(folder)
    assert not folder.exists()
    assert list(tmp_path.glob("month=*")) == []
    remove_unfinished(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_bytes_are_those_of_the_writer(tmp_path, ending):
    rows = pl.DataFrame({"a": [1, 2, 3], "b": [0.1, None, -0.0], "c": ["x", "±", ""]})
    write = rows.write_csv if ending == "csv" else rows.write_parquet
    write(tmp_path / f"plain.{ending}")
    replace_file_with(tmp_path / f"durable.{ending}", write)
    plain, ours = (tmp_path / f"{name}.{ending}" for name in ("plain", "durable"))
    assert ours.read_bytes() == plain.read_bytes()
    assert stat.S_IMODE(ours.stat().st_mode) == 0o600


def test_a_device_is_written_into_and_a_link_is_replaced(tmp_path):
    target, link = tmp_path / "target.html", tmp_path / "link.html"
    target.write_bytes(b"old")
    link.symlink_to(target)
    replace_file(link, b"new")
    assert (link.is_symlink(), link.read_bytes(), target.read_bytes()) == (False, b"new", b"old")
    replace_file(Path("/dev/null"), b"new")
    assert Path("/dev/null").is_char_device()
