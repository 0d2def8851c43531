"""What goes wrong on demand: the catalogue of faults, and how they reach a client."""
