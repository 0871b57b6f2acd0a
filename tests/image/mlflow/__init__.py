"""Run by `tests/image/test_mlflow.py`, with the Python of the image."""
