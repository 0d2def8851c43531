"""By which code a registration and a version of a book were made: all that makes a result, nothing that reports it."""

import subprocess
import sys
from pathlib import Path

import pytest

from feature_repo.transforms.pair_books import compute_pair_books
from feature_repo.transforms.pair_spreads import compute_pair_spreads
from training.books import code_digest
from training.books.code_digest import ENTRIES, ROOMS, digest_book_code, list_book_modules

_SAY_LOADED = "import sys, importlib; [importlib.import_module(n) for n in sys.argv[1:]]; print(*sys.modules)"


def test_everything_that_is_loaded_to_trade_a_book_is_in_the_digest():
    """What a fresh process has loaded: packages hold no code, and the catalogue's own loads every view there is."""
    words = [sys.executable, "-c", _SAY_LOADED, "training.books.engine", "training.books.stored_market"]
    loaded = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    own = {
        name
        for name in loaded
        if any(name.startswith(f"{room}.") for room in ROOMS) and not name.startswith("feature_repo.catalog.")
    }
    assert {"training.books.plan", "pairity.books.families", "feature_repo.transforms.outcome_kernels"} <= own
    assert sorted(own - {*list_book_modules()}) == []


@pytest.mark.parametrize(
    "module",
    [
        "feature_repo.transforms.outcome_kernels",
        compute_pair_books.__module__,
        compute_pair_spreads.__module__,
        "feature_repo.catalog.pair_spreads",
        "model_registry.combined_fits",
        "training.backtest.inputs",
        "training.books.stored_market",
        "training.books.stored_scores",
        "training.data.history",
        "training.data.one_unit",
        "training.evaluation.long_run",
        "pairity.books.families",
    ],
)
def test_what_makes_a_result_is_in_the_digest(module):
    assert module in list_book_modules()


def test_what_only_reports_is_not():
    found = {*list_book_modules()}
    assert {*ENTRIES} <= found
    reports = {
        "books.card",
        "books.study",
        "books.train",
        "books.registrations",
        "books.last_look",
        "books.code_digest",
    }
    assert not {f"training.{one}" for one in reports} & found
    assert not {one for one in found if one.startswith(("training.reports.", "training.trials.", "pairity_cli."))}


def test_packages_of_the_rooms_hold_no_code():
    """But the catalogue's, which gathers what every view declares: those of books are named as entries."""
    for room in ROOMS:
        path = Path(code_digest.import_module(room).__path__[0]) / "__init__.py"
        if room != "feature_repo.catalog":
            assert "import" not in path.read_text().split('"""')[2]


@pytest.mark.parametrize("module", ["training.books.stored_scores", "feature_repo.transforms.pair_books"])
def test_another_line_in_any_module_is_another_digest(module, monkeypatch, tmp_path):
    modules = list_book_modules()
    before = digest_book_code.__wrapped__()
    assert before == digest_book_code()
    changed = tmp_path / "changed.py"
    changed.write_bytes(modules[module].read_bytes() + b"\n# changed\n")
    monkeypatch.setattr(code_digest, "list_book_modules", lambda: {**modules, module: changed})
    assert digest_book_code.__wrapped__() != before
