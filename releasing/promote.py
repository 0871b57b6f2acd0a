"""Promotion from another environment, in its own account: the same files, the same digests."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError
from mlflow.exceptions import MlflowException

from operations.errors import EXPIRED, OperationError
from operations.release import named_endpoint, place, prefix_digest
from releasing.asking import move_aliases, promoted_models
from releasing.image_copy import Repository, copy_image
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
    s3, ecr
        Clients that may read its files and its images.
    """

    environment: Environment
    records: Records
    s3: Any
    ecr: Any


def session_of(environment: Environment, target: Environment) -> Any:
    """A session that may read an environment, to promote what serves there.

    Parameters
    ----------
    environment
        The environment.
    target
        The one that is promoted to, whose credentials these are.

    Raises
    ------
    OperationError
        Where its file does not name the target, or its role does not trust these credentials.
    """
    readers = environment.release.promote_to.get(target.name) if environment.release else None
    file = f"environments/{environment.name}.yaml"
    if not readers:
        raise OperationError(
            f"{file} lets nobody promote from {environment.name} to {target.name}.",
            f"Add to its release: 'promote_to: {{{target.name}: [<the role that you work as>]}}',"
            " and deploy its Data stack.",
        )
    naming, partition = environment.naming, readers[0].split(":")[1]
    named = naming.promotion(target.name)
    role = f"arn:{partition}:iam::{environment.account}:role{naming.iam_path}{named}"
    try:
        taken = boto3.client("sts", region_name=target.region).assume_role(
            RoleArn=role, RoleSessionName=f"promote-to-{target.name}", ExternalId=named
        )["Credentials"]
    except ClientError as error:
        if error.response["Error"]["Code"] in EXPIRED:
            raise  # it says nothing of the role
        raise OperationError(
            f"The role {role} cannot be taken: {error}",
            f"It is taken by {' or '.join(readers)}, as {file} says under release.promote_to, once"
            " the Data stack there is deployed; that role has to be allowed sts:AssumeRole on it.",
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
    _bring_images(services, source, endpoint, served.release)
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


def _bring_images(services: Services, source: Source, endpoint: str, release: Release) -> None:
    """Copy the images that serve there, where they are not here yet."""
    parts = services.environment.endpoints[endpoint].parts
    theirs = named_endpoint(source.environment, endpoint).parts
    here, there = (
        images_of(services.environment, parts, release),
        images_of(source.environment, theirs, release),
    )
    if here.keys() != there.keys():
        raise OperationError(
            f"'{endpoint}' has images of ours for other containers in {source.environment.name}:"
            f" {', '.join(there) or 'none'} there, {', '.join(here) or 'none'} here.",
            "Have both environments name the same images.",
        )
    for part, image in here.items():
        if in_ecr(services.ecr, image):
            continue
        repository, _, digest = image.partition("@")
        origin = Repository(source.ecr, there[part].partition("@")[0])
        copy_image(origin, Repository(services.ecr, repository), digest, services.say)


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
    for model in _logged_models(mlflow, number) if known else ():
        if tags.items() <= model.tags.items():
            return model
    return mlflow.create_logged_model(number, name=name, tags=tags)


def _logged_models(mlflow: Any, experiment: str) -> Iterator[Any]:
    """The logged models of an experiment, of which the server gives a page at a time."""
    page = mlflow.search_logged_models([experiment])
    yield from page
    while page.token:
        page = mlflow.search_logged_models([experiment], page_token=page.token)
        yield from page


def _copy(there: Any, released: Released, here: Any, bucket: str, prefix: str) -> None:
    """Copy files from bucket to bucket, where S3 may; else through this process.

    The target's bucket encrypts them with its own key. What a former try has copied is there: an
    object comes as a whole or not at all.
    """
    origin = str(released.source).removeprefix("s3://").partition("/")[0]
    through = False
    arrived = dict(_sizes(here, bucket, prefix))
    for key, size in _sizes(there, origin, released.key):
        target = prefix + key.removeprefix(released.key)
        if arrived.get(target) == size:
            continue
        if not through:
            try:
                here.copy({"Bucket": origin, "Key": key}, bucket, target)
                continue
            except ClientError as error:
                if error.response["Error"]["Code"] not in DENIED:
                    raise
                through = True
        here.upload_fileobj(there.get_object(Bucket=origin, Key=key)["Body"], bucket, target)


def _sizes(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
    """The keys of files, and how many bytes each has."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        found = ((it["Key"], it["Size"]) for it in page.get("Contents", []))
        yield from ((key, size) for key, size in found if not key.endswith("/"))


def _verify(s3: Any, bucket: str, prefix: str, released: Released) -> None:
    digest = prefix_digest(s3, bucket, prefix)
    if digest != released.digest:
        raise OperationError(
            f"The files at s3://{bucket}/{prefix} have the digest {digest}, and those of"
            f" {released.model} version {released.version} have {released.digest}.",
            "Nothing was promoted. Delete them there, and run this again.",
        )
