"""A run's report as a file."""

from __future__ import annotations

from pathlib import Path

from pairity.durable import replace_file
from pairity.layout import Layout
from training.reports.contents import read_run
from training.reports.page import render_page


def write_report(layout: Layout, run: str, path: Path | None = None) -> Path:
    """Write one HTML page about an MLflow run and return its path; by default it lies among the reports.

    `run` is a run id, or its beginning; the errors are those of `read_run`.
    """
    contents = read_run(layout, run)
    path = path or layout.reports / f"{contents.name}-{contents.run_id[:12]}.html"
    replace_file(path, render_page(contents).encode())
    return path
