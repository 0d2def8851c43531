"""The raw lake: partitioned Parquet with manifests. Atomic, idempotent, resumable; every byte accounted for."""

from ingestion.lake.store import Lake

__all__ = ["Lake"]
