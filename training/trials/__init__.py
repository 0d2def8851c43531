"""Every trial that was ever made: kept outside of MLflow and of any data directory, and counted as what it is worth."""
