"""Files are written, renamed and locked in one place: `pairity/durable.py`."""

from __future__ import annotations

import ast
import re

from tests.house.source_tree import ROOT, Module, modules

WRITES = {
    "write_text",
    "write_bytes",
    "write_csv",
    "write_parquet",
    "savefig",
    "rename",
    "fsync",
    "flock",
    "to_csv",
    "mkdir",
    "makedirs",
    "touch",
    "NamedTemporaryFile",
    "mkstemp",
}
# To memory, to the temporary path that `durable` gave, or into a folder that `durable` moves.
EXPECTED = {
    # Beside the key, outside the data directory: everything there is relative to one open folder that was checked.
    "model_registry/private_folder.py": {"mkdir", "fsync", "flock", "replace"},
    "model_registry/signing_key.py": {"rename"},
    "feature_repo/offline_files.py": {"write_parquet"},
    "ingestion/lake/partitions.py": {"write_parquet"},
    "ingestion/staging.py": {"write_parquet"},
    "training/models/registrable.py": {"dump"},
    "training/reports/factor_colours.py": {"savefig"},
    "training/reports/lag_files.py": {"savefig"},
    "training/reports/matplotlib_figures.py": {"savefig"},
    "training/reports/score_files.py": {"write_parquet"},
    "serving/logs/rotation.py": {"replace"},  # of files that nobody waits for: a flush would hold up trading
    "pairity_cli/table_output.py": {"write_csv"},  # a text for standard output
    "serving/views/trades.py": {"write_csv"},
    "serving/journal/postgres_text.py": {"dump"},  # of text, to the bytes that psycopg sends
    "validation/quarantine_items.py": {"write_csv", "write_parquet", "write_text"},
}


def written(module: Module) -> set[str]:
    """Names of the calls in a module by which something could get onto the disk."""
    found = set()
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        modes = {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
        if name in WRITES and not (name == "rename" and isinstance(node.args[0], ast.Dict | ast.DictComp)):
            found.add(name)
        if name == "open" and any(re.fullmatch("[rbt]?[wax+][bt+]?", str(mode)) for mode in modes):
            found.add("open")
        on = node.func.value if isinstance(node.func, ast.Attribute) else None
        # text.replace(old, new) has two arguments and path.replace(target) one, as time.replace(day=1) has none
        if on and (name == "dump" or (name == "replace" and (len(node.args) == 1 or getattr(on, "id", "") == "os"))):
            found.add(name)
    return found


def test_nothing_else_in_the_product_writes_files_renames_or_locks_them():
    assert len(modules()) > 200
    found = {str(module.path.relative_to(ROOT)): written(module) for module in modules().values()}
    found.pop("pairity/durable.py")
    assert found.pop("pairity/private_files.py") == {"mkdir"}
    assert {name: calls for name, calls in found.items() if calls} == EXPECTED
