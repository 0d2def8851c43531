"""Rules as expectations, evaluated by Great Expectations.

Each process has one context, in memory. Nothing of it is shared with another process, and a process that is killed
leaves nothing half-written behind. `validation.results` writes what is worth keeping.
"""

from __future__ import annotations

import logging
import os
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from validation.rules import Rule
from validation.suites import find_rules

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context import EphemeralDataContext

SOURCE, ASSET = "profiles", "partitions"
_NAMED: dict[str, Any] = {"result_format": "COMPLETE", "unexpected_index_column_names": ["key"]}


def evaluate(suite: str, numbers: pl.DataFrame) -> ExpectationSuiteValidationResult:
    """Return Great Expectations' result of `suite` on `numbers` (`key`, and float64 columns for all rules).

    Each rule is first judged by one aggregate: a verdict is due every hour, and looking at each value costs four times
    as much. A rule that fails is judged again value by value, so that the result names the keys that broke it.
    """
    batch = _open_batches().get_batch(batch_parameters={"dataframe": numbers.to_pandas()})
    result = batch.validate(register_suite(suite))
    rules = {rule.name: rule for rule in find_rules(suite)}
    result.results = [
        item
        if item.success
        else batch.validate(_make_expectation(rules[read_rule_name(item)], "values"), result_format=_NAMED)
        for item in result.results
    ]
    return result


def read_rule_name(item: Any) -> str:  # noqa: ANN401 - an expectation's result, of Great Expectations
    """Return the name of the rule behind an expectation's result."""
    return str(item.expectation_config.meta["rule"])


@lru_cache(maxsize=64)
def register_suite(name: str) -> ExpectationSuite:
    """Return the suite of that name, registered with the context at the first call."""
    import great_expectations as gx

    expectations = [_make_expectation(rule, "aggregate") for rule in find_rules(name)]
    return open_context().suites.add(gx.ExpectationSuite(name=name, expectations=expectations))


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
