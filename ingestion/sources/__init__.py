"""One module per source of raw data, one protocol."""
