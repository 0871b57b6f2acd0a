"""`make release`: what a model's alias means now, resolved and written down before synth."""

import hashlib
from typing import Any

from botocore.exceptions import ClientError
from mlflow.exceptions import MlflowException

from mlops_constructs.container_settings import ARCHIVE
from mlops_constructs.naming import MODELS_PREFIX
from operations.errors import OperationError
from operations.managed_registry import Registry
from stacks.config import Environment
from stacks.container_config import AWS
from stacks.endpoint_config import Endpoint
from stacks.releases import Release, Released

PROXIED = "mlflow-artifacts:/"


def resolve_release(
    environment: Environment, endpoint: str, images: dict[str, str], mlflow: Registry, s3: Any
) -> Release:
    """What an endpoint would serve if it was released now.

    Parameters
    ----------
    environment
        The environment.
    endpoint
        Name of the endpoint.
    images
        The digest of each image that was pushed.
    mlflow
        The registry of the environment's MLflow.
    s3
        A client of S3.

    Raises
    ------
    OperationError
        Where the endpoint, the image, the model version or its files are not there.

    Examples
    --------
    >>> resolve_release(environment, "iris", images, client, s3).summary  # doctest: +SKIP
    'iris version 3'
    """
    parts = named_endpoint(environment, endpoint).parts
    ours = dict.fromkeys(part.image for part in parts.values() if not part.image.startswith(AWS))
    missing = [image for image in ours if image not in images]
    if missing:
        raise OperationError(
            f"Images of endpoint '{endpoint}' are not pushed yet: {', '.join(missing)}.",
            f"Run 'make images ENV={environment.name}' first.",
        )
    return Release(
        {
            name: Released(
                **_resolved_model(part.model, environment, mlflow, s3),
                image=images.get(part.image),
            )
            for name, part in parts.items()
        }
    )


def named_endpoint(environment: Environment, endpoint: str) -> Endpoint:
    """The configuration of an endpoint.

    Parameters
    ----------
    environment
        The environment.
    endpoint
        Name of the endpoint.

    Raises
    ------
    OperationError
        Where there is none of that name.
    """
    if endpoint not in environment.endpoints:
        known = ", ".join(sorted(environment.endpoints)) or "none"
        raise OperationError(
            f"There is no endpoint '{endpoint}' in environments/{environment.name}.yaml.",
            f"Choose one of: {known}.",
        )
    return environment.endpoints[endpoint]


def _resolved_model(
    reference: str | None, environment: Environment, mlflow: Registry, s3: Any
) -> dict[str, Any]:
    """The model version that a reference means, where its files are, and their digest."""
    if reference is None:
        return {}
    bucket = environment.naming.artifact_bucket(environment.account)
    if reference.startswith("s3://"):
        key = reference.removeprefix(f"s3://{bucket}/")
        digest = object_digest if key.endswith(ARCHIVE) else prefix_digest
        return {"source": reference, "digest": digest(s3, bucket, key)}
    name, version, uri = _model_version(mlflow, reference)
    bucket, prefix = place(uri, environment)
    return {
        "model": name,
        "version": version,
        "source": f"s3://{bucket}/{prefix}",
        "digest": prefix_digest(s3, bucket, prefix),
    }


def object_digest(s3: Any, bucket: str, key: str) -> str:
    """The SHA-256 digest of one object, an archive.

    Parameters
    ----------
    s3
        A client of S3.
    bucket, key
        Where the object is.

    Raises
    ------
    OperationError
        Where it is not there.
    """
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    except ClientError as error:
        raise OperationError(
            f"s3://{bucket}/{key} cannot be read: {error}",
            "Upload the archive, and check the endpoint's 'model'.",
        ) from error
    total = hashlib.sha256()
    for chunk in body.iter_chunks(2**20):
        total.update(chunk)
    return f"sha256:{total.hexdigest()}"


def prefix_digest(s3: Any, bucket: str, prefix: str) -> str:
    """The SHA-256 digest of the objects below a prefix: of their names and what they hold.

    It is what a model container computes of the folder that SageMaker makes from them; see
    `containers/model-server/model_server/integrity.py`.

    Parameters
    ----------
    s3
        A client of S3.
    bucket, prefix
        Where the objects are.

    Raises
    ------
    OperationError
        Where there is none.
    """
    names = sorted(
        entry["Key"].removeprefix(prefix)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for entry in page.get("Contents", [])
        if not entry["Key"].endswith("/")
    )
    if not names:
        raise OperationError(
            f"There is no file below s3://{bucket}/{prefix}.",
            "Log the model again: its version is registered, but its files are gone.",
        )
    total = hashlib.sha256()
    for name in names:
        content = hashlib.sha256()
        for chunk in s3.get_object(Bucket=bucket, Key=prefix + name)["Body"].iter_chunks(2**20):
            content.update(chunk)
        total.update(f"{content.hexdigest()}  {name}\n".encode())
    return f"sha256:{total.hexdigest()}"


def _model_version(mlflow: Registry, reference: str) -> tuple[str, int, str]:
    """Name, version and address of the files that a ``models:/`` reference means."""
    name, _, alias = reference.removeprefix("models:/").partition("@")
    name, _, number = name.partition("/")
    try:
        if alias:
            number = str(mlflow.get_model_version_by_alias(name, alias).version)
        return name, int(number), mlflow.get_model_version_download_uri(name, number)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise OperationError(
                f"'{reference}' is not in the registry: {error.message}",
                f"Register the model, or set the alias: MlflowClient().set_registered_model_alias("
                f"'{name}', '{alias or 'champion'}', <version>).",
            ) from error
        if error.error_code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
            raise OperationError(
                f"MLflow does not show '{reference}' to this login: {error.message}",
                "Log in as a user who may read it: LOGIN=<user>, or MLFLOW_TRACKING_USERNAME and"
                " MLFLOW_TRACKING_PASSWORD.",
            ) from error
        raise OperationError(
            f"MLflow could not be asked for '{reference}': {error.message}",
            "Check the tracking address, and that this machine reaches it: it is private.",
        ) from error


def place(uri: str, environment: Environment) -> tuple[str, str]:
    """Bucket and prefix of a model's files.

    Parameters
    ----------
    uri
        Where MLflow says that they are.
    environment
        The environment, whose bucket they have to be in.

    Raises
    ------
    OperationError
        Where they are elsewhere.
    """
    bucket = environment.naming.artifact_bucket(environment.account)
    if uri.startswith(PROXIED):
        path = uri.removeprefix(PROXIED).lstrip("/").rstrip("/")
        return bucket, f"{MODELS_PREFIX}/{path}/"
    here = f"s3://{bucket}/"
    if uri.startswith(here):
        return bucket, f"{uri.removeprefix(here).rstrip('/')}/"
    raise OperationError(
        f"The model's files are at {uri}, which is not the environment's bucket {bucket}.",
        "Log the model to this environment's tracking server, and register it there.",
    )
