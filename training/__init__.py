"""Training: from feature history to registered models."""
