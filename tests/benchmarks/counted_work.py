"""Work of which it is known how often it collects, writes and validates."""

from __future__ import annotations

from pathlib import Path


def count_work(folder: str) -> tuple[list[str], dict[str, int]]:
    """Do it inside one decision of an attached meter; return the names that it did not find, and its counts."""
    import polars as pl

    from benchmarks.serving_meters import attach_meter
    from pairity.durable import append_line, replace_file, replace_file_with
    from validation.expectations import find_broken_rules
    from validation.measurements import Measurements
    from validation.suites import find_rules

    rows = pl.DataFrame({"a": [1, 2]})
    rules = find_rules("funding")
    profile = pl.DataFrame({"key": ["BTC/2026-01"]} | {rule.column: [rule.lower or 0.0] for rule in rules})
    numbers = Measurements.of("funding", profile)
    meter = attach_meter()
    with meter.decision():
        rows.select("a").filter(pl.col("a") > 1)  # two collects, inside of eager operations
        rows.lazy().collect()
        pl.collect_all([rows.lazy(), rows.lazy()])
        replace_file(Path(folder, "one"), b"1")
        replace_file_with(Path(folder, "two"), rows.write_parquet)
        append_line(Path(folder, "three"), "3")
        rows.write_parquet(Path(folder, "four"))
        Path(folder, "one").read_bytes()
        find_broken_rules([numbers])
    return meter.missing, dict(meter.decisions[0].counts)
