"""The demo: the whole pipeline on one machine, against a paper exchange of its own."""
