"""Rules as expectations, evaluated by Great Expectations.

Each process has one context, in memory. Nothing of it is shared with another process, and a process that is killed
leaves nothing half-written behind. `validation.results` writes what is worth keeping.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pairity.errors import DataError
from validation.measurements import Measurements
from validation.rules import Rule
from validation.suites import find_rules

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.datasource.fluent.interfaces import Batch

SOURCE, ASSET = "profiles", "partitions"


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One number beyond its limit: suite, partition and rule, and the number."""

    suite: str
    key: str
    rule: str
    observed: float


def find_broken_rules(measured: Sequence[Measurements]) -> list[BrokenRule]:
    """Let Great Expectations judge all numbers of all suites in one validation; return those beyond their limits.

    The numbers stand in one column as distances from their limits, of which the smallest must not be below zero: the
    cost hardly depends on how many suites, partitions and rules there are. Only where that fails, a second expectation
    names each of them, by suite, then by rule, then by partition. DataError if Great Expectations cannot judge them.
    """
    margins = np.concatenate([suite.compute_margins().ravel() for suite in measured])
    smallest, each = _judge_margins()
    if _open_batch({"margin": margins}).validate(smallest).success:
        return []
    named = ("suite", "rule", "partition", "observed")
    columns = [np.concatenate(parts) for parts in zip(*map(_name_numbers, measured), strict=True)]
    batch = _open_batch({"margin": margins, **dict(zip(named, columns, strict=True))})
    outcome = batch.validate(
        each, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": list(named)}
    )
    return [BrokenRule(row["suite"], row["partition"], row["rule"], float(row["observed"])) for row in _named(outcome)]


def evaluate(measured: Measurements) -> ExpectationSuiteValidationResult:
    """Return Great Expectations' result of one suite, rule by rule: what a page of the Data Docs shows.

    A rule that fails is judged again value by value, so that the result names the partitions that broke it.
    """
    open_context()  # before the import, as in `register_suite`
    import great_expectations as gx

    batch = _open_batch({name: column.to_numpy() for name, column in measured.to_frame().to_dict().items()})
    rules = {rule.name: rule for rule in measured.rules}
    if measured.rules == find_rules(measured.suite):
        suite = register_suite(measured.suite)
    else:  # judged by the rules of an earlier version
        made = [_make_expectation(rule, "aggregate") for rule in measured.rules]
        suite = gx.ExpectationSuite(name=measured.suite, expectations=made)
    result = batch.validate(suite)
    result.results = [
        item
        if item.success
        else batch.validate(
            _make_expectation(rules[item.expectation_config.meta["rule"]], "values"),
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["key"]},
        )
        for item in result.results
    ]
    return result


@lru_cache(maxsize=64)
def register_suite(name: str) -> ExpectationSuite:
    """Return the suite of that name, registered with the context at the first call."""
    context = open_context()  # imports it with analytics switched off: nobody else may be first
    import great_expectations as gx

    expectations = [_make_expectation(rule, "aggregate") for rule in find_rules(name)]
    return context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))


@lru_cache(maxsize=1)
def open_context() -> EphemeralDataContext:
    """Return the process's context: no analytics, no progress bars, no files."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when Great Expectations is imported
    with warnings.catch_warnings():
        # Great Expectations imports a module of the standard library that Python 3.11 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    created = gx.get_context(mode="ephemeral")
    created.variables.progress_bars = {"globally": False}
    return created


@lru_cache(maxsize=1)
def _open_batches() -> BatchDefinition:
    asset = open_context().data_sources.add_pandas(SOURCE).add_dataframe_asset(ASSET)
    return asset.add_batch_definition_whole_dataframe("all")


def _open_batch(columns: dict[str, Any]) -> Batch:
    import pandas as pd

    return _open_batches().get_batch(batch_parameters={"dataframe": pd.DataFrame(columns)})


@lru_cache(maxsize=1)
def _judge_margins() -> tuple[Any, Any]:
    """Return the expectation on the smallest margin, and the one that names each margin below zero."""
    open_context()
    import great_expectations.expectations as gxe

    return (
        gxe.ExpectColumnMinToBeBetween(column="margin", min_value=0),
        gxe.ExpectColumnValuesToBeBetween(column="margin", min_value=0),
    )


def _name_numbers(measured: Measurements) -> tuple[Any, Any, Any, Any]:
    """Return suite, rule, partition and number of each of the numbers, in the order of the margins."""
    rules, partitions = measured.values.shape
    return (
        np.repeat(np.array([measured.suite], dtype=object), rules * partitions),
        np.repeat(np.array([rule.name for rule in measured.rules], dtype=object), partitions),
        np.tile(np.array(measured.keys, dtype=object), rules),
        measured.values.ravel(),
    )


def _named(outcome: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - an expectation's result, of Great Expectations
    named = outcome.result.get("unexpected_index_list")
    if not named:
        message = (outcome.exception_info or {}).get("exception_message") or f"result {outcome.result}"
        raise DataError(f"a rule failed, but Great Expectations names no partition: {message}")
    yield from named


def _make_expectation(rule: Rule, on: Literal["aggregate", "values"]) -> Any:  # noqa: ANN401 - an expectation class
    import great_expectations.expectations as gxe

    if on == "values":
        kind = gxe.ExpectColumnValuesToBeBetween
    else:
        kind = gxe.ExpectColumnMinToBeBetween if rule.upper is None else gxe.ExpectColumnMaxToBeBetween
    return kind(
        column=rule.column,
        min_value=rule.lower,
        max_value=rule.upper,
        severity="critical" if rule.critical else "warning",
        meta={"rule": rule.name},
        notes=rule.meaning,
    )
