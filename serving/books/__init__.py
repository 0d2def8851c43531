"""Books traded by the process: many names at once, brought to target weights by journalled orders.

A decision is made of features that are read online (`online`) by the functions that the backtest calls (`deciding`),
journalled with its vectors and every name's reason, and then carried out step by step from the journal alone (`moves`,
`rebalancer`): a process that comes back goes on where the last one stopped. What is held must be what the journal's
executions say and what the venue shows (`reconciler`); each name has a stop on the venue (`stops`).
"""
