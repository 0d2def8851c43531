"""From models to protected positions."""
