"""Feast is imported without its type checks at run time, and typeguard is left as it was."""

import os
import subprocess
import sys

import pytest

from feature_repo.feast_import import import_feast

_PROGRAM = """
from pathlib import Path
import typeguard
from pairity.settings import Settings
from feature_repo.feature_store import open_store

open_store(Settings(home=Path(".")))

from feast import FeatureView
print("typeguard._functions" in FeatureView.__init__.__code__.co_names)

@typeguard.typechecked
def add(one: int) -> int:
    return one

try:
    add("a")
except typeguard.TypeCheckError:
    print("others are checked")
"""


@pytest.mark.slow
def test_its_classes_are_not_compiled_again_and_those_of_others_are(tmp_path):
    (tmp_path / "program.py").write_text(_PROGRAM)
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["False", "others are checked"], done.stderr


_METRICS = """
import os
from pathlib import Path
from pairity.settings import Settings
from feature_repo.feature_store import open_store

open_store(Settings(home=Path(".")))

from serving.metrics import Metrics
one, other = Metrics(), Metrics()
one.observe_look(1.0)
print([name for name in os.environ if "PROMETHEUS" in name])
print(*(metrics.registry.get_sample_value("pairity_look_seconds_count") for metrics in (one, other)))
"""


def test_metrics_of_a_process_are_its_own_and_no_directory_is_left(tmp_path):
    (tmp_path / "program.py").write_text(_METRICS)
    (tmp_path / "for_now").mkdir()
    # A test that imported Feast by itself has left its variables here
    env = {name: value for name, value in os.environ.items() if "PROMETHEUS" not in name}
    env["TMPDIR"] = str(tmp_path / "for_now")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["[]", "1.0 0.0"], done.stderr
    assert [path.name for path in (tmp_path / "for_now").iterdir() if "metrics" in path.name] == []


def test_what_somebody_has_imported_before_stays_as_it_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "feast", sys)
    monkeypatch.setattr("feature_repo.feast_import.import_module", lambda name: 1 / 0)
    import_feast.__wrapped__()
