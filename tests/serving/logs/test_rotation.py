"""Rotation by size and number, several writers at once, and a reader that misses and repeats nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.logs.reading import Selection, Tail, follow_lines, parse_line, read_lines
from serving.logs.rotation import RotatingFile, list_part, list_parts

ALL = Selection(None, "debug")
T0 = datetime(2026, 3, 1, tzinfo=UTC)


def line(number: int, level: str = "info") -> bytes:
    row = {"at": (T0 + timedelta(minutes=number)).isoformat(), "level": level, "logger": "x", "text": str(number)}
    return json.dumps(row).encode() + b"\n"


def test_no_file_is_larger_and_no_more_are_kept(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "logs" / "serve.jsonl", max_bytes=1000, keep=3)
    for number in range(100):
        file.write(line(number))
    parts = list_parts(file.path)
    assert [part.name for part in parts] == ["serve.jsonl.2", "serve.jsonl.1", "serve.jsonl"]
    assert all(part.stat().st_size <= 1000 for part in parts)
    kept = [int(item.text) for item in read_lines(file.path, ALL)]
    assert kept == list(range(kept[0], 100))
    assert len(kept) > 20


def test_fewer_parts_are_kept_after_the_setting_was_lowered(tmp_path: Path) -> None:
    path = tmp_path / "serve.jsonl"
    for keep in (6, 2):
        file = RotatingFile(path, max_bytes=200, keep=keep)
        for number in range(40):
            file.write(line(number))
        file.close()
    assert [part.name for part in list_parts(path)] == ["serve.jsonl.1", "serve.jsonl"]


def test_one_line_that_is_larger_than_a_file_is_a_file(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "serve.jsonl", max_bytes=100, keep=3)
    for _ in range(3):
        file.write(b"x" * 500 + b"\n")
    assert len(list_parts(file.path)) == 3


def test_a_file_that_was_removed_is_begun_again(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "logs" / "serve.jsonl", max_bytes=1000, keep=3)
    file.write(line(1))
    file.path.unlink()
    file.path.parent.rmdir()
    file.write(line(2))
    assert [item.text for item in read_lines(file.path, ALL)] == ["2"]


WRITE = """
import sys
from pathlib import Path
from serving.logs.rotation import RotatingFile
file = RotatingFile(Path(sys.argv[1]), max_bytes=2000, keep=500)
for number in range(400):
    file.write(b"%s %d %s\\n" % (sys.argv[2].encode(), number, b"." * (number % 50)))
"""


def test_two_processes_write_and_no_line_is_lost_or_torn(tmp_path: Path) -> None:
    path = tmp_path / "serve.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, str(path), name]) for name in ("one", "two")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    words = [text.split(" ") for part in list_parts(path) for text in part.read_text().splitlines()]
    for name in ("one", "two"):
        assert [int(number) for who, number, _ in words if who == name] == list(range(400))


@given(
    st.lists(st.one_of(st.integers(0, 5), st.none(), st.just("half")), max_size=60),
    st.integers(1, 8),
)
def test_a_tail_misses_nothing_and_repeats_nothing(steps: list[int | str | None], lines_per_file: int) -> None:
    """Numbers are so many lines, None is a look of the reader, `half` a line of which half is written first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "serve.jsonl"
        file = RotatingFile(path, max_bytes=lines_per_file * len(line(10)), keep=1000)
        tail, seen, written = Tail(path), [], 0
        for step in steps:
            if step is None:
                seen += list(tail.read())
            elif step == "half":
                whole, written = line(written), written + 1
                file.write(whole[:9])
                seen += list(tail.read())
                with path.open("ab") as rest:
                    rest.write(whole[9:])
            else:
                for _ in range(int(step)):
                    file.write(line(written))
                    written += 1
        seen += list(tail.read())
        tail.close()
        assert [text.encode() for text in seen] == [line(number) for number in range(written)]


def test_a_reader_that_slept_through_rotations_goes_on_with_what_is_left(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "serve.jsonl", max_bytes=300, keep=2)
    tail = Tail(file.path)
    file.write(line(0))
    assert len(list(tail.read())) == 1
    for number in range(1, 60):
        file.write(line(number))
    left = [int(json.loads(text)["text"]) for text in tail.read()]
    assert left == [1, 2, *range(left[2], 60)]  # the part that it held open, and those that are there
    tail.close()


def test_lines_are_selected_by_time_and_level(tmp_path: Path) -> None:
    path = tmp_path / "serve.jsonl"
    path.write_bytes(line(0) + line(1, "error") + b'{"torn\n' + b"[1]\n" + line(2) + line(3, "warning"))
    found = [item.text for item in read_lines(path, Selection(T0 + timedelta(minutes=2), "info"))]
    assert found == ["2", "3"]
    assert [item.text for item in read_lines(path, Selection(None, "warning"))] == ["1", "3"]


def test_following_ends_with_what_came_last(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "serve.jsonl", max_bytes=300, keep=20)
    file.write(line(0))
    turns = iter([True, True, False])

    def goes_on() -> bool:
        more = next(turns)
        file.write(line(1) * 4)
        return more

    assert [item.text for item in follow_lines(file.path, ALL, goes_on)] == ["0", *["1"] * 12]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"at":"x","level":"info","logger":"","text":""}', "[" * 9999])
def test_what_is_no_line_is_left_out(text: str) -> None:
    assert parse_line(text) is None
    assert list_part(Path("a"), 2).name == "a.2"


def test_one_file_alone_is_begun_anew(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "serve.jsonl", max_bytes=300, keep=1)
    for number in range(20):
        file.write(line(number))
    assert list_parts(file.path) == [file.path]
    assert [int(item.text) for item in read_lines(file.path, ALL)][-1] == 19
