"""A run's report as a file."""

from __future__ import annotations

from pathlib import Path

from pairity.durable import replace_file
from pairity.errors import RegistryError
from pairity.layout import Layout
from pairity.names import RUN_ID, RUN_NAME
from training.reports.contents import RunContents, read_run
from training.reports.page import render_page


def write_report(layout: Layout, run: str, path: Path | None = None) -> Path:
    """Write one HTML page about an MLflow run and return its path; by default it lies among the reports.

    `run` is a run id, or its beginning; the errors are those of `read_run`.
    """
    contents = read_run(layout, run)
    path = path or layout.reports / name_file(contents)
    replace_file(path, render_page(contents).encode())
    return path


def name_file(contents: RunContents) -> str:
    """Return the name of a run's page: its name and id.

    The id alone where the name, which anybody can set in the tracking store, is no name; RegistryError where the id is
    none.
    """
    run_id = RUN_ID.check(contents.run_id[:12], "run id of the tracking store", RegistryError)
    return f"{contents.name}-{run_id}.html" if RUN_NAME.accepts(contents.name) else f"run-{run_id}.html"
