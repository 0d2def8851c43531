"""Views that have no rows at all, and why: mostly raw rows that nobody collected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from feature_repo.catalog import VIEWS, View
from feature_repo.offline_files import locate_view
from feature_repo.raw_datasets import DATASETS
from ingestion.data_page.remedies import write_fetch_command
from ingestion.lake import Lake
from ingestion.lake.partitions import HOME_VENUE
from pairity.layout import Layout


@dataclass(frozen=True, slots=True)
class EmptyView:
    """View without any published row, and the reason in words, with what mends it."""

    view: str
    reason: str


def explain_empty_views(layout: Layout, lake: Lake) -> tuple[EmptyView, ...]:
    """Return the views that have no published file, in the order of the catalog, each with its reason.

    Reads no rows: which datasets of `lake.venue` hold any is known from the names of its files.
    """
    stored = {part.dataset for part in lake.contents()}
    return tuple(
        EmptyView(view.name, _explain(view, stored, lake.venue))
        for view in VIEWS.values()
        if next(locate_view(layout, view).glob("month=*/*.parquet"), None) is None
    )


def _explain(view: View, stored: set[str], venue: str) -> str:
    needed = sorted(set(_list_datasets(view)))
    lacking = [name for name in needed if name not in stored]
    if len(lacking) == len(needed):
        more = "" if venue == HOME_VENUE else f" --datasets {','.join(needed)}"
        return (
            f"made of {', '.join(needed)}, of which nothing of {venue} is stored: `{write_fetch_command(venue)}{more}`"
        )
    there = ", ".join(name for name in needed if name in stored)
    return f"the stored {there} are too few, or withheld: docs/features.md says how many its windows need"


def _list_datasets(view: View) -> Iterator[str]:
    """Yield the raw datasets that a view is made of, by way of other views too."""
    for name in view.inputs:
        if name in DATASETS:
            yield name
        elif name in VIEWS:
            yield from _list_datasets(VIEWS[name])
