"""From history to registered models."""
