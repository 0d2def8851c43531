"""Books: many names at once, as weights of equity, long ones against short ones.

A decision goes one way: features of the names → scores (`families`) → target weights (`weights`), netted
(`netting`) → which names are traded (`rebalance`). Everything is pure: the same function can decide in a backtest, in a
replay and live. Formulas: docs/formulas.md, Books.
"""
