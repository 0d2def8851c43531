"""Records of more than five fields are built with keywords: no type catches two swapped positions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

from tests.house.source_tree import Module, dotted, modules

MOST_POSITIONAL = 5
_RECORD_BASES = {"NamedTuple", "BaseModel", "Section"}


def is_record(node: ast.ClassDef) -> bool:
    decorators = [ast.unparse(item) for item in node.decorator_list]
    return any(item.split("(")[0].endswith("dataclass") for item in decorators) or any(
        ast.unparse(base).rpartition(".")[2] in _RECORD_BASES for base in node.bases
    )


def fields_of(node: ast.ClassDef) -> list[str]:
    return [
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and "ClassVar" not in ast.unparse(item.annotation)
        and "init=False" not in (ast.unparse(item.value) if item.value else "")
    ]


def large_records(all_modules: list[Module]) -> set[str]:
    """Dotted names of the records with more than five fields, under every name by which modules offer them."""
    records = {
        f"{module.name}.{node.name}"
        for module in all_modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and is_record(node) and len(fields_of(node)) > MOST_POSITIONAL
    }
    return records | {
        f"{module.name}.{name}"
        for module in all_modules
        for name, origin in origins(module).items()
        if origin in records
    }


@cache
def origins(module: Module) -> dict[str, str]:
    """What the names of a module stand for, as dotted names."""
    nodes = [node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef | ast.ImportFrom)]
    names = {node.name: f"{module.name}.{node.name}" for node in nodes if isinstance(node, ast.ClassDef)}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def positional_calls(module: Module, records: set[str]) -> Iterator[str]:
    """Where a large record is built with positions, as `file:line name`; `cls(…)` counts inside its class."""
    known = origins(module)
    left: list[tuple[ast.AST, str | None]] = [(module.tree, None)]
    while left:
        node, own = left.pop()
        if isinstance(node, ast.ClassDef):
            own = f"{module.name}.{node.name}"
        if isinstance(node, ast.Call) and node.args:
            first, _, rest = dotted(node.func).partition(".")
            called = own if first == "cls" and not rest else ".".join(filter(None, (known.get(first, first), rest)))
            if called in records:
                yield f"{module.path.name}:{node.lineno} {called}"
        left.extend((child, own) for child in ast.iter_child_nodes(node))


def test_large_records_are_built_with_keywords():
    everything = list(modules().values())
    records = large_records(everything)
    assert "pairity.strategy.types.PairPosition" in records
    offences = [call for module in everything for call in positional_calls(module, records)]
    assert offences == []


def test_a_positional_call_would_be_found():
    text = (
        "from dataclasses import dataclass\n@dataclass\nclass Six:\n"
        + "".join(f"    f{i}: int\n" for i in range(6))
        + "    @classmethod\n    def of(cls): return cls(1, 2, 3, 4, 5, f5=6)\nx = Six(1, 2, 3, 4, 5, 6)\n"
    )
    module = Module("six", modules()["pairity.errors"].path, text, ast.parse(text))
    assert len(list(positional_calls(module, large_records([module])))) == 2
