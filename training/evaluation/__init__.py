"""Evaluation out of sample: probabilities, forecasts, Sharpe ratios, overfitting, drift, costs."""
