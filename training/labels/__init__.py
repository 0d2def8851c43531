"""What a model is asked to predict, and how much each label weighs."""
