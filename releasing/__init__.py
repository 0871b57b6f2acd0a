"""What a release runs, step by step: from a promotion in MLflow to a version that serves."""
