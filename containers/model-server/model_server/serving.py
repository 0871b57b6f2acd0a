"""`serve`: answers ``GET /ping`` and ``POST /invocations``.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from model_server.errors import ModelError
from model_server.integrity import folder_digest
from model_server.listening import bind
from model_server.model import Model
from model_server.privileges import drop
from model_server.settings import Settings, SettingsError

log = logging.getLogger("model_server")


def serve(model: Callable[[], Model] | None = None) -> int:
    """Load a model and serve it until SIGTERM.

    Parameters
    ----------
    model
        A subclass of `Model`; where there is none, the MLflow model of the folder is served.

    Returns
    -------
    int
        Exit status: 1 where a setting is wrong, the port is taken, or the model cannot be loaded
        or is not the one that was released.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        settings = Settings.read()
    except SettingsError as error:
        log.error("Settings: %s", error)
        return 1
    _one_thread_each(settings)
    # Imported here: what was imported before would have as many threads as there are processors.
    from model_server.supervision import Supervisor

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        shared = bind(settings.host, settings.port)
    except OSError as error:
        log.error("%s:%d cannot be listened on: %s", settings.host, settings.port, error)
        return 1
    supervisor = Supervisor(settings, shared)
    greeter = supervisor.greet()
    try:
        check_digest(settings.folder, settings.digest)
        made = _make(model, settings)
        loaded = load(made, settings.folder)
    except ModelError as error:
        log.error("%s", error)
        os.kill(greeter, signal.SIGKILL)
        return 1
    except SystemExit:
        os.kill(greeter, signal.SIGTERM)
        raise
    if made.shared:
        drop(settings.user)
    return supervisor.serve(loaded, greeter)


def load(model: Model, folder: Path) -> Callable[[], Model]:
    """Load a model, now or in each process.

    Parameters
    ----------
    model
        What is to load it.
    folder
        Where from.

    Returns
    -------
    callable
        Gives the loaded model to a process.

    Raises
    ------
    ModelError
        Where it cannot be loaded.
    """

    def loaded() -> Model:
        try:
            model.load(folder)
        except Exception as error:
            raise ModelError(f"The model in {folder} cannot be loaded: {error}") from error
        return model

    if not model.shared:
        return loaded
    before = _threads()
    ready = loaded()
    threads = _threads() - before
    if threads > 0:
        log.warning(
            "The loaded model started %d threads, which forked processes do not have: where they"
            " hang, set `shared = False` in %s",
            threads,
            type(model).__name__,
        )
    return lambda: ready


def _threads() -> int:
    """How many threads there are, but for the allocator's of pyarrow, which survives a fork."""
    names = [(task / "comm").read_text() for task in Path("/proc/self/task").iterdir()]
    return sum(not name.startswith("jemalloc") for name in names)


def check_digest(folder: Path, wanted: str) -> None:
    """See that a model folder is the one that was released.

    Parameters
    ----------
    folder
        The folder.
    wanted
        Its digest; empty where any will do.

    Raises
    ------
    ModelError
        Where it is another.
    """
    if wanted and (found := folder_digest(folder)) != wanted:
        raise ModelError(f"The model in {folder} is {found}, but {wanted} was released.")


def _make(model: Callable[[], Model] | None, settings: Settings) -> Model:
    if model is not None:
        return model()
    from model_server.pyfunc import MlflowModel

    return MlflowModel(settings.folder)


def _one_thread_each(settings: Settings) -> None:
    """Processors are shared between processes, not between each one's threads as well."""
    threads = str(max(len(os.sched_getaffinity(0)) // settings.workers, 1))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, threads)


def main() -> None:
    """`serve` of the image `model-server`."""
    sys.exit(serve())
