from __future__ import annotations

import inspect

import pairity.errors as errors
from pairity.errors import PairityError, UnknownNameError


def test_every_error_stands_in_the_tree_that_the_module_draws():
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]
    assert all(issubclass(c, PairityError) for c in classes)
    assert all(c.__name__ in (errors.__doc__ or "") for c in classes)


def test_a_message_says_what_and_what_to_do():
    assert str(PairityError("the lake is empty", "run make ingest")) == "the lake is empty\n  → run make ingest"


def test_an_unknown_name_lists_those_that_exist():
    text = str(UnknownNameError("feature view", "pair_hourli", ["pair_hourly", "asset_hourly"]))
    assert "did you mean 'pair_hourly'?" in text
    assert "asset_hourly, pair_hourly" in text
