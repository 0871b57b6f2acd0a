"""Namespaces of metrics."""

SAGEMAKER = "AWS/SageMaker"
