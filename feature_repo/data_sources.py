"""Feast sources: the offline files of each view."""

from __future__ import annotations

from feast import FileSource
from feast.data_format import ParquetFormat

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, View
from feature_repo.offline_files import locate_view_files
from pairity.layout import Layout


def make_source(view: View, layout: Layout) -> FileSource:
    """Return Feast's source for the Parquet files of `view`: an absolute pattern, with both times declared."""
    return FileSource(
        name=f"{view.name}_files",
        path=locate_view_files(layout, view),
        timestamp_field=EVENT_TIME,
        created_timestamp_column=CREATED_TIME,
        file_format=ParquetFormat(),
        description=f"Published rows of {view.name}: appended to, never rewritten.",
    )
