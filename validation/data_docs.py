"""Data Docs: our overview of what was judged, and pages for people about the suites and the newest validations of each.

They load nothing from anywhere and run nothing (see `sealed_pages`). They are built on request, in a folder beside the
existing pages, and then replace them: a reader never finds half a site. What was stored of a validation are its numbers
and limits: Great Expectations judges them again, rule by rule, for the page that shows them.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pairity.durable import move_folder, take_turns
from pairity.layout import Layout
from pairity.settings import Settings
from validation.expectations import ASSET, SOURCE, evaluate, open_context, register_suite
from validation.overview import write_overview
from validation.results import StoredResult, load
from validation.sealed_pages import seal_site
from validation.suites import SUITES

if TYPE_CHECKING:
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier

_SITE, _LOCK = "data_docs", ".data_docs.lock"
_EARLIER_OVERVIEW = "overview.html"


def build_docs(settings: Settings) -> Path:
    """Write the Data Docs of all suites and their newest validations; return the path of the overview.

    DataError if a stored validation result cannot be read. Processes that build at the same time take turns.
    """
    layout = Layout.of(settings)
    site, staging, replaced = (layout.expectations / name for name in (_SITE, ".data_docs.new", ".data_docs.old"))
    with take_turns(layout.expectations / _LOCK):
        for left_over in (staging, replaced):
            shutil.rmtree(left_over, ignore_errors=True)
        for suite in SUITES:
            register_suite(suite)
        results = load(layout)
        _write_site(staging, results)
        seal_site(staging)
        overview = write_overview(staging, layout, results, datetime.now(UTC))
        if site.exists():
            move_folder(site, replaced, durable=False)
        move_folder(staging, site, durable=False)  # pages can be built again from the results
        shutil.rmtree(replaced, ignore_errors=True)
        (layout.expectations / _EARLIER_OVERVIEW).unlink(missing_ok=True)  # it stood beside the pages once
    return site / overview.name


def _write_site(folder: Path, results: list[StoredResult]) -> None:
    gx_context = open_context()
    store = gx_context.validation_results_store
    keys = [_identifier(result) for result in results]
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    gx_context.add_data_docs_site(
        _SITE,
        {
            "class_name": "SiteBuilder",
            "store_backend": backend,
            "site_index_builder": index,
            "show_how_to_buttons": False,
        },
    )
    try:
        for key, result in zip(keys, results, strict=True):
            page = evaluate(result.measured)
            page.meta["run_id"] = key.run_id  # Great Expectations reads the run's name from inside the result
            store.set(key, page)
        gx_context.build_data_docs(site_names=[_SITE])
    finally:  # the context lives as long as the process: it must not keep these results in memory
        for key in filter(store.has_key, keys):
            store.remove_key(key)
        gx_context.delete_data_docs_site(_SITE)


def _identifier(result: StoredResult) -> ValidationResultIdentifier:
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    return ValidationResultIdentifier(
        expectation_suite_identifier=ExpectationSuiteIdentifier(result.suite),
        run_id=RunIdentifier(run_name=result.about or f"process {result.process}", run_time=result.at),
        batch_identifier=f"{SOURCE}-{ASSET}",
    )
