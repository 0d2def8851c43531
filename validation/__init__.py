"""May this data be used? Profiles by Polars, verdicts by Great Expectations, quarantine."""
