"""The product's source as syntax trees: what the tests of this folder look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "pairity",
    "pairity_cli",
    "feature_repo",
    "venue",
    "paper_exchange",
    "model_registry",
    "ingestion",
    "validation",
    "training",
    "serving",
)


@dataclass(frozen=True)
class Module:
    """One product module: dotted name, file, text and syntax tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The top-level package."""
        return self.name.partition(".")[0]

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())


@cache
def modules() -> dict[str, Module]:
    """Every module of the product, by dotted name (a package goes by its own name)."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            text = path.read_text()
            found[name] = Module(name, path, text, ast.parse(text, filename=str(path)))
    return found


def imported_names(module: Module) -> Iterator[str]:
    """Dotted names that a module imports when it runs, inside functions too; not those for type checkers only."""
    for node in _running(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{module.name} uses a relative import"
            assert not node.level, f"{module.name} uses a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(node: ast.AST) -> str:
    """A name with its attributes, as `a.b.c`; empty for any other expression. Unparsing takes many times as long."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return before and f"{before}.{node.attr}"
    return ""


def owner(name: str) -> str | None:
    """The product module that a dotted name belongs to, None for other libraries."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or None


def _running(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and any("TYPE_CHECKING" in dotted(part) for part in ast.walk(node.test)):
        for child in node.orelse:
            yield from _running(child)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _running(child)
