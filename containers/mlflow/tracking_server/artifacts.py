"""Files in S3 that clients read and write through the server alone.

MLflow's server offers its clients presigned links to S3 wherever its store can make them, and has
no setting against it; a client that is offered one asks for nothing else. But the perimeter lets
nobody use such a link who does not come by the platform's own endpoint and roles. So this store
cannot make them: the server says so, and its clients send and fetch through it.

And what S3 answers, MLflow's own store leaves to be answered 500 by a server that closes the
connection. Here it is said as MLflow says such things of its database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.exceptions import Boto3Error, RetriesExceededError
from botocore import exceptions
from botocore.exceptions import ClientError
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

UNREACHABLE = (exceptions.ConnectionError, exceptions.HTTPClientError, RetriesExceededError)
"""What boto3 raises where S3 does not answer."""


class ProxiedS3ArtifactRepository(ArtifactRepository):  # type: ignore[misc,unused-ignore]
    """MLflow's own store for ``s3://``, without its links; the entry point takes its place.

    Its methods raise `mlflow.exceptions.MlflowException` where S3 is away or overloaded, which is
    answered 503, and where a file is not there, which is answered 404.

    Parameters
    ----------
    artifact_uri, tracking_uri, registry_uri
        As MLflow's store takes them.
    """

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._s3: Any = S3ArtifactRepository(
            artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri
        )

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file."""
        with _faults_of_s3():
            self._s3.log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store the files of a folder."""
        with _faults_of_s3():
            self._s3.log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, path: str | None = None) -> list[Any]:
        """The files and folders below a path."""
        with _faults_of_s3():
            found: list[Any] = self._s3.list_artifacts(path)
        return found

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Remove a file, or what is below a path."""
        with _faults_of_s3():
            self._s3.delete_artifacts(artifact_path)

    def upload_archived_trace_data_bytes(self, data: bytes) -> None:
        """Store the spans of a trace."""
        with _faults_of_s3():
            self._s3.upload_archived_trace_data_bytes(data)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        with _faults_of_s3():
            self._s3._download_file(remote_file_path, local_path)


@contextmanager
def _faults_of_s3() -> Iterator[None]:
    """Say what S3 answers as MLflow says it; what neither passes nor is a missing file stays."""
    try:
        yield
    except UNREACHABLE as error:
        raise MlflowException(f"S3 cannot be reached: {error}", TEMPORARILY_UNAVAILABLE) from error
    except (ClientError, Boto3Error) as error:
        # boto3 raises an error of its own where an upload fails, on account of S3's.
        answer = error if isinstance(error, ClientError) else error.__context__
        status = (
            answer.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if isinstance(answer, ClientError)
            else 0
        )
        if status == 404:
            raise MlflowException(
                f"S3 has no such file: {error}", RESOURCE_DOES_NOT_EXIST
            ) from error
        # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        if status >= 500:
            raise MlflowException(f"S3 is not well: {error}", TEMPORARILY_UNAVAILABLE) from error
        raise
