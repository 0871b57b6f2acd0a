"""That what MLflow keeps outlives its versions, shown by old versions' own servers and clients."""
