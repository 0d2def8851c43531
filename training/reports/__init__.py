"""Reports of a training run: figures, tables, the model card, the HTML page, and the run's record in MLflow."""
