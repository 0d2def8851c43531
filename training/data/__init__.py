"""From feature history to rows that a model learns from: point-in-time sets, splits, folds."""
