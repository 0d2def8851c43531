"""Figures and tables of a training run, for people."""
