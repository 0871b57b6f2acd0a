"""`serve`: answers ``GET /ping`` and ``POST /invocations``.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

import logging
import os
import sys

import mlflow.pyfunc
import uvicorn
from mlflow.pyfunc import PyFuncModel

from iris_model import paths
from iris_model.application import application
from iris_model.integrity import folder_digest

log = logging.getLogger("iris_model")


def main() -> int:
    """Load the model and serve it until SIGTERM.

    Returns
    -------
    int
        Exit status: 1 where the model cannot be loaded, or is not the one that was released.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        model = load_model()
    except ModelError as error:
        log.error("%s", error)
        return 1
    drop_privileges()
    uvicorn.run(
        application(model),
        # A container's network is its own, and its image says so; anywhere else, loopback.
        host=os.environ.get("MODEL_SERVER_HOST", "127.0.0.1"),
        port=int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")),
        log_level="warning",
        access_log=False,
    )
    return 0


def drop_privileges() -> None:
    """Go on as the image's own user, where the container was started as root.

    SageMaker starts containers as root and places the model for root to read, so the image cannot
    name another user; what answers requests need not be root.
    """
    user = os.environ.get("MODEL_SERVER_UID")
    if user and os.geteuid() == 0:
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))


class ModelError(Exception):
    """Why there is no model to serve."""


def load_model() -> PyFuncModel:
    """Load the model folder through MLflow, after checking that it is the released one.

    Raises
    ------
    ModelError
        Where the folder is missing, is not the one that ``MODEL_DIGEST`` names, or holds a model
        that is not of this image.
    """
    folder = paths.model()
    if not (folder / "MLmodel").is_file():
        raise ModelError(f"{folder} holds no MLflow model: there is no file MLmodel.")
    wanted, found = os.environ.get("MODEL_DIGEST"), folder_digest(folder)
    if wanted and wanted != found:
        raise ModelError(f"The model in {folder} is {found}, but {wanted} was released.")
    try:
        model: PyFuncModel = mlflow.pyfunc.load_model(str(folder))
        return model
    except Exception as error:
        raise ModelError(f"The model in {folder} cannot be loaded: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
