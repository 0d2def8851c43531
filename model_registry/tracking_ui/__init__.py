"""The MLflow UI, for looking only: MLflow's own server behind a list of what may be asked.

The tracking UI has no users and no passwords, and the registry decides what trades. So nothing that changes anything
passes, and the database is opened for reading.
"""
