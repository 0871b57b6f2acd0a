"""Passes a request of the API to the SageMaker endpoint it names."""
