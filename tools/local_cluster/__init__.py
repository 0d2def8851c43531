"""A cluster of real processes on this machine: `make cluster-up`, `cluster-test`, `cluster-down`."""
