"""Modules hold one idea, tests too: none is long, and the middle one is neither a fragment nor a novel."""

from __future__ import annotations

from statistics import median

from tests.house.source_tree import ROOT, modules

MOST_LINES = 400


def test_no_module_is_long():
    assert {module.name: module.lines for module in modules().values() if module.lines > MOST_LINES} == {}


def test_no_module_of_the_tests_and_tools_is_long():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for folder in ("tests", "benchmarks", "tools")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert len(lengths) > 300
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_the_middle_module_is_of_readable_size():
    sizes = [module.lines for module in modules().values() if module.path.name != "__init__.py"]
    assert 80 <= median(sizes) <= 200


def test_no_module_is_called_after_nothing():
    empty_names = {"utils", "util", "helpers", "common", "misc", "tools"}
    assert not [name for name in modules() if name.rpartition(".")[2] in empty_names]
