"""What an endpoint was asked and what it answered, kept in our bucket with our key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker

from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.faults import Fault
from mlops_constructs.prefixes import prefix_faults

CAPTURE_PREFIX = "capture/"
"""Where what is captured stands in the artifact bucket, in a folder for each endpoint."""

Mode = Literal["Input", "Output"]

# https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html (feature exclusions)
WITHOUT_CAPTURE = ("serverless",)
"""Kinds of endpoints that SageMaker captures nothing of."""


@dataclass(frozen=True)
class DataCapture:
    """How much of an endpoint's traffic is kept, and where.

    SageMaker writes what it captures to ``<prefix><endpoint>/<variant>/<yyyy/mm/dd/hh>/``, as the
    execution role, minutes after the request. It stops to capture where the disk of an instance
    is nearly full, and never holds a request up:
    https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html

    Parameters
    ----------
    artifacts
        The store that keeps it. Its key encrypts it.
    prefix
        Where in the store, with a slash at the end.
    percent
        Percent of the requests.
    modes
        What of a request is kept: ``Input``, ``Output``.
    csv_types, json_types
        Content types that are kept as the text they are. Others are kept in base64, and cannot be
        monitored.

    Examples
    --------
    >>> capture = DataCapture(artifacts, "capture/", percent=10)  # doctest: +SKIP
    >>> sagemaker.CfnEndpointConfig(  # doctest: +SKIP
    ...     self, "Config", production_variants=[...], data_capture_config=capture.property())
    >>> capture.grant(role)  # doctest: +SKIP
    """

    artifacts: ArtifactStore
    prefix: str = CAPTURE_PREFIX
    percent: int = 20
    modes: Sequence[Mode] = ("Input", "Output")
    csv_types: Sequence[str] = ("text/csv",)
    json_types: Sequence[str] = ("application/json",)

    def property(self) -> sagemaker.CfnEndpointConfig.DataCaptureConfigProperty:
        """What the endpoint configuration says of it."""
        return sagemaker.CfnEndpointConfig.DataCaptureConfigProperty(
            enable_capture=True,
            initial_sampling_percentage=self.percent,
            destination_s3_uri=self.artifacts.uri(self.prefix),
            kms_key_id=self.artifacts.key.key_arn,
            capture_options=[
                sagemaker.CfnEndpointConfig.CaptureOptionProperty(capture_mode=mode)
                for mode in self.modes
            ],
            capture_content_type_header=self._headers(),
        )

    def grant(self, role: iam.IGrantable) -> iam.Grant:
        """Let an endpoint's execution role write what is captured, and nothing else.

        Parameters
        ----------
        role
            The execution role of the models.
        """
        return self.artifacts.grant_write(role, self.prefix)

    def folder(self, endpoint: str) -> str:
        """The prefix of what is captured of one endpoint.

        Parameters
        ----------
        endpoint
            Name of the endpoint.
        """
        return f"{self.prefix}{endpoint}/"

    def faults(self, kind: str = "realtime") -> list[Fault]:
        """What is wrong with it.

        Parameters
        ----------
        kind
            The kind of the endpoint: ``realtime``, ``serverless``.
        """
        faults = list(prefix_faults("capture.prefix", self.prefix))
        if kind in WITHOUT_CAPTURE:
            faults.append(
                Fault(
                    "capture",
                    f"for an endpoint of the kind '{kind}'",
                    "endpoints of other kinds: SageMaker captures nothing of this one",
                    "Remove capture and monitoring, or serve it in real time.",
                )
            )
        if not 1 <= self.percent <= 100:
            faults.append(
                Fault(
                    "capture.percent",
                    f"{self.percent} %",
                    "1 to 100 %",
                    "Keep some of the requests, or remove capture.",
                )
            )
        if not self.modes or len(set(self.modes)) < len(self.modes):
            faults.append(
                Fault(
                    "capture.modes",
                    ", ".join(self.modes) or "nothing",
                    "Input, Output, or both",
                    "Name what is kept, each once.",
                )
            )
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CaptureContentTypeHeader.html
        for name, types in (("csv_types", self.csv_types), ("json_types", self.json_types)):
            if len(types) > 10 or any("/" not in each for each in types):
                faults.append(
                    Fault(
                        f"capture.{name}",
                        ", ".join(types),
                        "at most 10 content types, such as text/csv",
                        "Name the types that clients send.",
                    )
                )
        return faults

    def _headers(self) -> sagemaker.CfnEndpointConfig.CaptureContentTypeHeaderProperty | None:
        if not self.csv_types and not self.json_types:
            return None
        return sagemaker.CfnEndpointConfig.CaptureContentTypeHeaderProperty(
            csv_content_types=list(self.csv_types) or None,
            json_content_types=list(self.json_types) or None,
        )
