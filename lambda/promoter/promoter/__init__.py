"""Finds out which aliases moved in MLflow, and writes down what is asked for: a promotion."""
