"""The names that rooms offer each other: `python -m tests.house.public_names` writes the list anew.

A name is listed where another room of the product imports it, imports for type checkers included. Beside them stand
what people type and what is stored: commands, settings, feature views and services, model families, sources, faults.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests.house.source_tree import modules, owner

LIST = Path(__file__).with_name("public_names.txt")


def offered() -> dict[str, set[str]]:
    """Module → names that modules of other rooms import from it."""
    names: dict[str, set[str]] = defaultdict(set)
    for module in modules().values():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            for alias in node.names:
                source = owner(f"{node.module}.{alias.name}")
                if source is not None and source.partition(".")[0] != module.room:
                    names[source].add(alias.name if source == node.module else "(the module)")
    return names


def typed() -> dict[str, list[str]]:
    """What people type, and what stored data is called."""
    from feature_repo.catalog import SERVICES, VIEWS
    from feature_repo.raw_datasets import DATASETS
    from ingestion.sources.catalog import OFFERS
    from pairity.settings import Section, Settings
    from pairity_cli.main import COMMANDS
    from paper_exchange.faults.catalogue import CATALOGUE
    from training.models.families import FAMILIES

    settings = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            settings += [f"{name}.{leaf}" for leaf in section.model_fields]
        else:
            settings.append(name)
    return {
        "commands": list(COMMANDS),
        "settings": settings,
        "raw datasets": list(DATASETS),
        "feature views": list(VIEWS),
        **{f"feature service {name}": list(service.features) for name, service in SERVICES.items()},
        "model families": list(FAMILIES),
        "sources": list(OFFERS),
        "faults": list(CATALOGUE),
    }


def listing() -> str:
    """One line per module or kind, sorted: a diff of it is the shape of a change."""
    rooms = [f"{module}: {', '.join(sorted(names))}" for module, names in sorted(offered().items())]
    kinds = [f"{kind}: {', '.join(sorted(names))}" for kind, names in typed().items()]
    return "\n".join(["# what rooms offer each other", *rooms, "", "# what people type and data is called", *kinds, ""])


if __name__ == "__main__":
    LIST.write_text(listing())
