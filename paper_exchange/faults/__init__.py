"""Faults on demand: their catalogue, and their delivery to a client."""
