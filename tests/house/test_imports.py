"""No import circle, whether an import stands at the top of a module or inside a function."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.house.source_tree import Module, imported_names, modules, owner


def edges() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for name, module in modules().items():
        targets = {owner(imported) for imported in imported_names(module)} - {None, name}
        # A package whose module imports a sibling does not import itself.
        graph[name] = {target for target in targets if not name.startswith(f"{target}.")}
    return graph


def test_no_circle_remains_imports_inside_functions_included():
    try:
        TopologicalSorter(edges()).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_imports_inside_functions_are_seen():
    text = "def f():\n    from training.job import train\n"
    assert list(imported_names(Module("x", None, text, ast.parse(text)))) == ["training.job.train"]


def test_imports_for_type_checkers_are_no_dependency():
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from training.job import train\n"
    assert list(imported_names(Module("x", None, text, ast.parse(text)))) == ["typing.TYPE_CHECKING"]


def test_a_circle_would_be_found():
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_nothing_outside_the_command_line_names_its_modules():
    for module in modules().values():
        if module.room != "pairity_cli":
            assert not [name for name in imported_names(module) if name.startswith("pairity_cli")], module.name
