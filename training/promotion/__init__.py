"""May a new model trade? The evidence, the gate, the promotion."""
