"""Registered models: connection, versions with the verdict of the gate, files, loading."""
