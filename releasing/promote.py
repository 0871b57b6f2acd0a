"""Promotion from another environment, in its own account: the same files, the same digests."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError
from mlflow.exceptions import MlflowException

from operations.errors import OperationError
from operations.release import place, prefix_digest
from releasing.asking import move_aliases, promoted_models
from releasing.images import images_of, in_ecr
from releasing.promotion import PromotedModel, Promotion
from releasing.records import Records
from releasing.services import Services
from stacks.config import Environment
from stacks.releases import Release, Released

FROM, DIGEST = "release.from", "release.digest"
"""Tags of a version that came from elsewhere: from which, and the digest of its files."""

DENIED = ("AccessDenied", "403")


@dataclass(frozen=True)
class Source:
    """The environment that is promoted from.

    Parameters
    ----------
    environment
        The environment.
    records
        What serves there.
    s3
        A client of S3 that may read its files.
    """

    environment: Environment
    records: Records
    s3: Any


def session_of(environment: Environment, role: str | None, name: str) -> Any:
    """A session that may read another environment.

    Parameters
    ----------
    environment
        The environment.
    role
        The role to take there; none where these credentials may read it.
    name
        Who takes it.
    """
    if not role:
        return boto3.Session(region_name=environment.region)
    try:
        taken = boto3.client("sts", region_name=environment.region).assume_role(
            RoleArn=role, RoleSessionName=name
        )["Credentials"]
    except ClientError as error:
        raise OperationError(
            f"The role {role} cannot be taken: {error}",
            "Have it trust this account's role, and check release.promote_from.role.",
        ) from error
    return boto3.Session(
        aws_access_key_id=taken["AccessKeyId"],
        aws_secret_access_key=taken["SecretAccessKey"],
        aws_session_token=taken["SessionToken"],
        region_name=environment.region,
    )


def promote(services: Services, source: Source, endpoint: str, by: str, reason: str) -> str:
    """Ask here for what serves there.

    Whatever was done is found again by whoever begins anew: a version that came before is taken as
    it is.

    Parameters
    ----------
    services
        Whom to ask here.
    source
        The environment that is promoted from.
    endpoint
        Name of the endpoint, the same in both.
    by, reason
        Who asks, and why.

    Returns
    -------
    str
        What was asked for, in words.

    Raises
    ------
    OperationError
        Where nothing serves there, or it cannot serve here as it is.
    """
    served = source.records.current(endpoint)
    if served is None:
        raise OperationError(
            f"'{endpoint}' serves nothing in {source.environment.name}.", "Release it there first."
        )
    promoted_models(services.environment, endpoint, served)
    _check_parts(services.environment, endpoint)
    _check_images(services, source, endpoint, served.release)
    record, models = {}, {}
    for part, container in services.environment.endpoints[endpoint].parts.items():
        released = served.release.containers[part].model_copy(update={"promotion": None})
        if container.model and released.source:
            alias = container.model.partition("@")[2]
            version, here = _brought(services, source, released)
            models[part] = PromotedModel(name=str(released.model), alias=alias, version=version)
            released = released.model_copy(update={"version": version, "source": here})
        record[part] = released
    return move_aliases(
        services,
        Promotion(
            endpoint=endpoint,
            models=models,
            promoted_by=by,
            reason=reason or f"it serves in {source.environment.name}",
            cause="environment",
            record=record,
        ),
    )


def _check_parts(environment: Environment, endpoint: str) -> None:
    """Make sure that every model comes by an alias: no other is promoted."""
    others = [
        str(it.model)
        for it in environment.endpoints[endpoint].parts.values()
        if it.model and "@" not in it.model
    ]
    if others:
        raise OperationError(
            f"Models of '{endpoint}' come by no alias: {', '.join(others)}.",
            f"Have them come by one in environments/{environment.name}.yaml.",
        )


def _check_images(services: Services, source: Source, endpoint: str, release: Release) -> None:
    """Make sure that the images that serve there are here, by the same digests."""
    here = images_of(services.environment, services.environment.endpoints[endpoint].parts, release)
    there = images_of(source.environment, source.environment.endpoints[endpoint].parts, release)
    copies = [
        f"skopeo copy --preserve-digests docker://{_registry(source.environment)}/{there[part]}"
        f" docker://{_registry(services.environment)}/{image.partition('@')[0]}"
        f":{image.rpartition(':')[2][:16]}"
        for part, image in here.items()
        if not in_ecr(services.ecr, image)
    ]
    if copies:
        raise OperationError(
            f"Images that serve in {source.environment.name} are not in this environment's ECR.",
            f"Copy them as they are: {'; '.join(dict.fromkeys(copies))}",
        )


def _registry(environment: Environment) -> str:
    return f"{environment.account}.dkr.ecr.{environment.region}.amazonaws.com"


def _brought(services: Services, source: Source, released: Released) -> tuple[int, str]:
    """The version here of a model that serves there, and where its files are."""
    name, came = str(released.model), f"{source.environment.name}/{released.model}"
    tags = {FROM: f"{came}/{released.version}", DIGEST: str(released.digest)}
    for version in _versions(services.mlflow, name):
        if tags.items() <= version.tags.items():
            uri = services.mlflow.get_model_version_download_uri(name, version.version)
            bucket, prefix = place(uri, services.environment)
            _verify(services.s3, bucket, prefix, released)
            return int(version.version), f"s3://{bucket}/{prefix}"
    model = _logged_model(services.mlflow, name, tags)
    bucket, prefix = place(model.artifact_location, services.environment)
    services.say(f"{name}: copying version {released.version} to s3://{bucket}/{prefix}")
    _copy(source.s3, released, services.s3, bucket, prefix)
    _verify(services.s3, bucket, prefix, released)
    services.mlflow.finalize_logged_model(model.model_id, "READY")
    made = services.mlflow.create_model_version(
        name, model.artifact_location, tags=tags, model_id=model.model_id
    )
    return int(made.version), f"s3://{bucket}/{prefix}"


def _versions(mlflow: Any, name: str) -> list[Any]:
    """The versions of a model, which is registered where it is not."""
    try:
        mlflow.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return list(mlflow.search_model_versions(f"name='{name}'"))


def _logged_model(mlflow: Any, name: str, tags: dict[str, str]) -> Any:
    """A logged model to copy files to: that of a former try, or a new one.

    The server chooses where files lie; this is how it is asked to.
    """
    experiment = f"promoted/{name}"
    known = mlflow.get_experiment_by_name(experiment)
    number = known.experiment_id if known else mlflow.create_experiment(experiment)
    for model in mlflow.search_logged_models([number]) if known else ():
        if tags.items() <= model.tags.items():
            return model
    return mlflow.create_logged_model(number, name=name, tags=tags)


def _copy(there: Any, released: Released, here: Any, bucket: str, prefix: str) -> None:
    """Copy files from bucket to bucket, where S3 may; else through this process.

    The target's bucket encrypts them with its own key.
    """
    origin = str(released.source).removeprefix("s3://").partition("/")[0]
    through = False
    for key in _keys(there, origin, released.key):
        target = prefix + key.removeprefix(released.key)
        if not through:
            try:
                here.copy({"Bucket": origin, "Key": key}, bucket, target)
                continue
            except ClientError as error:
                if error.response["Error"]["Code"] not in DENIED:
                    raise
                through = True
        here.upload_fileobj(there.get_object(Bucket=origin, Key=key)["Body"], bucket, target)


def _keys(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (it["Key"] for it in page.get("Contents", []) if not it["Key"].endswith("/"))


def _verify(s3: Any, bucket: str, prefix: str, released: Released) -> None:
    digest = prefix_digest(s3, bucket, prefix)
    if digest != released.digest:
        raise OperationError(
            f"The files at s3://{bucket}/{prefix} have the digest {digest}, and those of"
            f" {released.model} version {released.version} have {released.digest}.",
            "Nothing was promoted. Delete them there, and run this again.",
        )
