"""Where SageMaker puts what a container reads, and looks for what it writes.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

import os
from pathlib import Path


def base() -> Path:
    """SageMaker's folder: ``/opt/ml``, or another for a container that is run without one."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def hyperparameters() -> Path:
    """The hyperparameters, as JSON with text for each value."""
    return base() / "input" / "config" / "hyperparameters.json"


def training_data() -> Path:
    """The files of the channel ``train``."""
    return base() / "input" / "data" / "train"


def model() -> Path:
    """The model: written by training, read by serving."""
    return base() / "model"


def metrics() -> Path:
    """The measured quality of the model, as JSON."""
    return base() / "output" / "data" / "metrics.json"


def failure() -> Path:
    """Why training failed: SageMaker shows the first 1,024 characters."""
    return base() / "output" / "failure"
