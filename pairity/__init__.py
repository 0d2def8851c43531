"""pairity: pair trading with parity between what a model was trained on and what it sees live.

This package is the core. It knows no store, no venue and no tracking server; all other packages build on it.
"""
