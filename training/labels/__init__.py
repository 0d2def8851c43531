"""Labels that a model learns to predict, and the weight of each."""
