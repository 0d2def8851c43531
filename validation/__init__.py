"""May this data be used? Profiles by Polars, verdicts by Great Expectations, quarantine.

`profiles` measures all partitions of a dataset at once, `checkpoint` judges all datasets of a stage at once.
`row_rules` and `sequence_rules` name the rows that broke a rule, `row_verdicts` withholds them, `quarantine` keeps
them.
"""
