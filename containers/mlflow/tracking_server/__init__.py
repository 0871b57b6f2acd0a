"""MLflow's tracking server, for a task that holds no secret in its definition."""
