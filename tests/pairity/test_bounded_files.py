"""Files are read whole within a limit, in the room that they take."""

import os
import tracemalloc

import pytest

from pairity.bounded_files import read_file
from pairity.bounded_numbers import OutOfBoundsError


def test_a_file_takes_the_room_of_what_is_in_it_whatever_the_limit(tmp_path):
    (tmp_path / "one").write_bytes(b"x" * 1000)
    tracemalloc.start()
    try:
        assert read_file(tmp_path / "one", 1 << 30) == b"x" * 1000
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("added", "most"), [(0, 10), (1, 11), (90, 100)])
def test_a_file_that_grows_while_it_is_read_is_read_whole(tmp_path, monkeypatch, added, most):
    path = tmp_path / "one"
    path.write_bytes(b"x" * 10)
    grow(monkeypatch, path, added)
    assert read_file(path, most) == b"x" * (10 + added)


@pytest.mark.parametrize(("added", "most"), [(1, 10), (91, 100), (5000, 100)])
def test_a_file_that_grows_beyond_the_limit_is_refused(tmp_path, monkeypatch, added, most):
    path = tmp_path / "one"
    path.write_bytes(b"x" * 10)
    grow(monkeypatch, path, added)
    with pytest.raises(OutOfBoundsError, match=f"has more than the limit of {most} bytes"):
        read_file(path, most)


def test_a_file_beyond_the_limit_is_refused_by_its_size(tmp_path):
    (tmp_path / "one").write_bytes(b"x" * 11)
    with pytest.raises(OutOfBoundsError, match="has 11 bytes, more than the limit of 10"):
        read_file(tmp_path / "one", 10)


def grow(monkeypatch, path, added):
    """Somebody appends right after the size was looked at: the second look, after that for the kind of the file."""
    look, looks = os.fstat, []

    def look_and_let_grow(handle):
        found = look(handle)
        looks.append(found)
        if len(looks) == 2:
            with path.open("ab") as file:
                file.write(b"x" * added)
        return found

    monkeypatch.setattr("pairity.bounded_files.os.fstat", look_and_let_grow)
