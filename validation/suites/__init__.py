"""Expectation suites, one per raw dataset; feature views derive theirs from the catalogue."""
