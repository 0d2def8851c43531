"""Pages about data: one look, dark and light, for a desk, a phone and paper; they run nothing and load nothing."""
