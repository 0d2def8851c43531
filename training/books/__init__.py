"""Books of many names over history: what was known at each close, the engine that trades target weights, the evidence.

The books themselves are in `pairity.books`.
"""
