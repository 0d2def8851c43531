"""How good a model's probabilities are, out of sample."""
