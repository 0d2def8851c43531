"""May this data be used? Profiles by Polars, verdicts by Great Expectations, quarantine.

`profiles` measures a partition, `checkpoint` judges it. `row_rules` and `sequence_rules` name the rows that broke a
rule, `row_verdicts` withholds them, `quarantine` keeps them.
"""
