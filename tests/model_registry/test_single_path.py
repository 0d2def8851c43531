"""No second way to MLflow grows anywhere in the product: one set-up, one place that loads, one record of a version."""

import ast

import pytest

from tests.house.source_tree import ROOT, modules

HOMES = {
    "set_tracking_uri": "model_registry/connection.py",
    "set_registry_uri": "model_registry/connection.py",
    "MlflowClient": "model_registry/connection.py",
    "create_model_version": "model_registry/registry.py",
    "set_registered_model_alias": "model_registry/registry.py",
    "get_model_version_by_alias": "model_registry/registry.py",
}


@pytest.fixture(scope="module")
def nodes():
    """All nodes of the product's syntax trees with the path of their module, in its order."""
    trees = [(module.path.relative_to(ROOT).as_posix(), module.tree) for module in modules().values()]
    wanted = (ast.Call, ast.Import, ast.ImportFrom, ast.ClassDef, ast.Constant)
    return [(path, node) for path, tree in trees for node in ast.walk(tree) if isinstance(node, wanted)]


def called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)


def test_each_call_that_touches_registered_models_has_one_home(nodes):
    homes = {name: set() for name in HOMES}
    for path, node in nodes:
        if isinstance(node, ast.Call) and called(node) in HOMES:
            homes[called(node)].add(path)
    assert homes == {name: {home} for name, home in HOMES.items()}


def test_nobody_asks_mlflow_for_a_model_or_a_path(nodes):
    """MLflow loads whatever a model's own files tell it to, and writes into a folder whose path it is asked for."""
    asked = {
        (path, called(node))
        for path, node in nodes
        if isinstance(node, ast.Call)
        and called(node)
        in {"load_model", "load_pyfunc", "download_artifacts", "load_artifact", "load_dict", "load_text"}
    }
    assert asked == set()


def test_skops_builds_models_in_one_place_and_pickles_come_from_our_own_processes_only(nodes):
    homes = {"skops": set(), "pickle": set(), "cloudpickle": set(), "joblib": set(), "dill": set()}
    for path, node in nodes:
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in {name.partition(".")[0] for name in names} & homes.keys():
            homes[name].add(path)
    assert homes == {
        "skops": {"model_registry/loading.py", "model_registry/canonical_skops.py"},  # the latter only writes
        "pickle": {"training/backtest/grid.py", "training/models/registrable.py"},  # to own workers; written only
        "joblib": {"training/models/pair_forest.py"},  # threads
        "cloudpickle": set(),
        "dill": set(),
    }


def test_a_registered_version_has_one_record(nodes):
    homes = [path for path, node in nodes if isinstance(node, ast.ClassDef) and node.name == "ModelRef"]
    assert homes == ["model_registry/records.py"]


def test_the_telemetry_switch_stands_in_one_place(nodes):
    """It is set there; the environment of children hands it on."""
    holders = [
        path
        for path, node in nodes
        if path != "pairity/child_environment.py"
        and isinstance(node, ast.Constant)
        and node.value == "MLFLOW_DISABLE_TELEMETRY"
    ]
    assert holders == ["model_registry/connection.py"]
