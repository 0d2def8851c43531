"""Stand-ins of a replay: what the trading process is given in place of the pipeline, the registry and real waiting.

Everything else is the process that trades: the loop, the cycle, the executor, the reconciliation, the journal.
"""
