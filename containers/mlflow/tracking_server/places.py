"""Files lie where the server puts them, and are read from nowhere else.

The server reads S3 by a right of its own, for whoever asks it. MLflow lets a user name the place:
of an experiment's files, of a registered version's, and of a trace's. Named was then whatever the
server reaches, such as the files of an experiment that the user may not see, or of the machine.
"""

from typing import Any
from urllib.parse import urlsplit

REGISTRY = ("runs", "models")
"""What MLflow resolves and checks by itself: a run, a logged model, another registered version."""


class PlacesError(Exception):
    """What this version of MLflow lacks."""


NAME_BYTES, PATH_BYTES = 255, 900
"""The longest name that a file system takes, and path that S3 does: 1024 bytes with its prefix.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""


def keep_places(handlers: Any, store: Any, *others: Any) -> None:
    """Have MLflow keep to the places that it chose itself.

    Parameters
    ----------
    handlers
        The module ``mlflow.server.handlers``.
    store
        The module ``mlflow.store.tracking.sqlalchemy_store``.
    others
        Those that look at paths too.

    Raises
    ------
    PlacesError
        Where this version of MLflow lacks what is changed here.
    """

    def trace_place(trace: Any) -> str:
        return own_place(handlers._get_tracking_store(), trace)

    changes = [
        (handlers, "_validate_storage_location_uri", refuse_place),
        # What this says yes to has to be within the run or logged model that the call names, which
        # the user may read.
        (handlers, "_is_mlflow_artifact_source", is_files),
        (handlers, "get_artifact_uri_for_trace", trace_place),
        (handlers, "get_archive_uri_for_trace", refuse_archive),
        (store, "get_archive_uri_for_trace", refuse_archive),
        *((module, "validate_path_is_safe", safe_path) for module in (handlers, *others)),
    ]
    for module, name, changed in changes:
        if not callable(getattr(module, name, None)):
            raise PlacesError(f"this MLflow has no {module.__name__}.{name}: see places.py")
        setattr(module, name, changed)


def refuse_place(value: str, field_name: str) -> str:
    """Refuse a place that a user chooses for files.

    Parameters
    ----------
    value
        The place.
    field_name
        What the call says it for.

    Raises
    ------
    MlflowException
        Always.
    """
    raise _refusal(
        f"'{field_name}' is '{value}', but this server chooses where files lie. Leave it out."
    )


def is_files(source: str) -> bool:
    """Whether the source of a registered version is a place of files.

    Parameters
    ----------
    source
        What the call says.
    """
    return urlsplit(source).scheme.lower() not in REGISTRY


def safe_path(path: str) -> str:
    """The path of a file below the place of its run.

    Parameters
    ----------
    path
        What the call says.

    Raises
    ------
    MlflowException
        Where it leads elsewhere, or nowhere.
    """
    from mlflow.utils.uri import validate_path_is_safe

    try:
        found: str = validate_path_is_safe(path)
        names = [name.encode() for name in found.split("/")]
    except ValueError as error:
        raise _refusal("Invalid path") from error
    if max(map(len, names)) > NAME_BYTES or len(b"/".join(names)) > PATH_BYTES:
        raise _refusal(f"A path has {PATH_BYTES} bytes at most, and a name {NAME_BYTES}.")
    return found


def own_place(store: Any, trace: Any) -> str:
    """Where the files of a trace lie.

    Parameters
    ----------
    store
        MLflow's store of experiments.
    trace
        The trace, whose tags may say anything.

    Raises
    ------
    MlflowException
        Where they say something else.
    """
    from mlflow.tracing.utils.artifact_utils import get_artifact_uri_for_trace

    said: str = get_artifact_uri_for_trace(trace)
    experiment = store.get_experiment(trace.experiment_id)
    if said != store._get_trace_artifact_location_tag(experiment, trace.trace_id).value:
        raise _refusal(f"The tags of trace '{trace.trace_id}' name a place that is not its own.")
    return said


def refuse_archive(trace: Any) -> str:
    """Refuse to read a trace from an archive, of which this server has none.

    Parameters
    ----------
    trace
        The trace.

    Raises
    ------
    MlflowException
        Always.
    """
    raise _refusal(f"Trace '{trace.trace_id}' says that it is archived; this server archives none.")


def _refusal(message: str) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    return MlflowException(message, INVALID_PARAMETER_VALUE)
