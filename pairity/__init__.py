"""pairity: pair trading with parity between what a model was trained on and what it sees live."""
