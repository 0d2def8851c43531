"""Registered models: what a version is, who is champion, and the files that are loaded.

Training writes through this package and the trading process reads through it, so that both mean the same version.
"""
