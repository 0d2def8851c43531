"""The published state: lake, features and reference data in an object store, which many machines share."""

from ingestion.published.session import follow, publishing

__all__ = ["follow", "publishing"]
