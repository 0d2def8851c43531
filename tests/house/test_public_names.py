"""A public name appears, changes or goes only on purpose."""

from __future__ import annotations

from tests.house.public_names import LIST, listing


def test_public_names_are_those_of_the_list():
    assert listing().splitlines() == LIST.read_text().splitlines(), "run: python -m tests.house.public_names"


def test_nobody_imports_a_private_name_of_another_room():
    names = [name for line in LIST.read_text().splitlines() for name in line.partition(": ")[2].split(", ")]
    assert not [name for name in names if name.startswith("_")]
