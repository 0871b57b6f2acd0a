"""What an endpoint was asked and what it answered, kept in our bucket with our key."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker

from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.faults import Fault
from mlops_constructs.prefixes import prefix_faults
from mlops_constructs.service_call import S3, ServiceCall

CAPTURE_PREFIX = "capture/"
"""Where what is captured stands in the artifact bucket, in a folder for each endpoint."""

Mode = Literal["Input", "Output"]


@dataclass(frozen=True)
class CapturePlan:
    """How much of an endpoint's traffic is kept, and as what.

    Parameters
    ----------
    prefix
        Where in the store, with a slash at the end.
    percent
        Percent of the requests.
    modes
        What of a request is kept: ``Input``, ``Output``.
    csv_types, json_types
        Content types that are kept as the text they are. Others are kept in base64, and cannot be
        monitored.
    """

    prefix: str = CAPTURE_PREFIX
    percent: int = 20
    modes: Sequence[Mode] = ("Input", "Output")
    csv_types: Sequence[str] = ("text/csv",)
    json_types: Sequence[str] = ("application/json",)

    def faults(self, path: str = "capture") -> Iterator[Fault]:
        """What is wrong with it.

        Parameters
        ----------
        path
            What a fault calls it.
        """
        yield from prefix_faults(f"{path}.prefix", self.prefix)
        if not 1 <= self.percent <= 100:
            yield Fault(
                f"{path}.percent",
                f"{self.percent} %",
                "1 to 100 %",
                "Keep some of the requests, or remove capture.",
            )
        if not self.modes or len(set(self.modes)) < len(self.modes):
            yield Fault(
                f"{path}.modes",
                ", ".join(self.modes) or "nothing",
                "Input, Output, or both",
                "Name what is kept, each once.",
            )
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CaptureContentTypeHeader.html
        for name, types in (("csv_types", self.csv_types), ("json_types", self.json_types)):
            if len(types) > 10 or any("/" not in each for each in types):
                yield Fault(
                    f"{path}.{name}",
                    ", ".join(types),
                    "at most 10 content types, such as text/csv",
                    "Name the types that clients send.",
                )


@dataclass(frozen=True)
class DataCapture:
    """What of an endpoint's traffic is kept, and in which store.

    SageMaker writes what it captures to ``<prefix><endpoint>/<variant>/<yyyy/mm/dd/hh>/``, as the
    execution role, minutes after the request. It stops to capture where the disk of an instance
    is nearly full, and never holds a request up:
    https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html

    Parameters
    ----------
    artifacts
        The store that keeps it. Its key encrypts it.
    plan
        How much is kept, and as what.

    Examples
    --------
    >>> capture = DataCapture(artifacts, CapturePlan(percent=10))  # doctest: +SKIP
    >>> sagemaker.CfnEndpointConfig(  # doctest: +SKIP
    ...     self, "Config", production_variants=[...], data_capture_config=capture.property())
    >>> capture.grant(role)  # doctest: +SKIP
    """

    # SageMaker writes what it captures through the network that the model stands in.
    CALLS: ClassVar[tuple[ServiceCall, ...]] = (
        ServiceCall(S3, "data capture", "keeps requests and answers", ArtifactStore.WRITE),
    )

    artifacts: ArtifactStore
    plan: CapturePlan = CapturePlan()

    def property(self) -> sagemaker.CfnEndpointConfig.DataCaptureConfigProperty:
        """What the endpoint configuration says of it."""
        return sagemaker.CfnEndpointConfig.DataCaptureConfigProperty(
            enable_capture=True,
            initial_sampling_percentage=self.plan.percent,
            destination_s3_uri=self.artifacts.uri(self.plan.prefix),
            kms_key_id=self.artifacts.key.key_arn,
            capture_options=[
                sagemaker.CfnEndpointConfig.CaptureOptionProperty(capture_mode=mode)
                for mode in self.plan.modes
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
        return self.artifacts.grant_write(role, self.plan.prefix)

    def folder(self, endpoint: str) -> str:
        """The prefix of what is captured of one endpoint.

        Parameters
        ----------
        endpoint
            Name of the endpoint.
        """
        return f"{self.plan.prefix}{endpoint}/"

    def _headers(self) -> sagemaker.CfnEndpointConfig.CaptureContentTypeHeaderProperty | None:
        if not self.plan.csv_types and not self.plan.json_types:
            return None
        return sagemaker.CfnEndpointConfig.CaptureContentTypeHeaderProperty(
            csv_content_types=list(self.plan.csv_types) or None,
            json_content_types=list(self.plan.json_types) or None,
        )
