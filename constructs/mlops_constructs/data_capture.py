"""What an endpoint was asked and what it answered, kept in our bucket with our key."""

from dataclasses import dataclass
from typing import ClassVar

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker

from mlops_constructs.artifacts import Artifacts
from mlops_constructs.capture_plan import DEFAULT, CapturePlan
from mlops_constructs.service_call import S3, ServiceCall


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
    >>> capture.grant(role, "mlops-blue-iris")  # doctest: +SKIP
    """

    # SageMaker writes what it captures through the network that the model stands in.
    CALLS: ClassVar[tuple[ServiceCall, ...]] = (
        ServiceCall(S3, "data capture", "keeps requests and answers", Artifacts.WRITE),
    )

    artifacts: Artifacts
    plan: CapturePlan = DEFAULT

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

    def grant(self, role: iam.IGrantable, endpoint: str) -> iam.Grant:
        """Let an endpoint's execution role write what is captured of it, and nothing else.

        Parameters
        ----------
        role
            The execution role of the models.
        endpoint
            Name of the endpoint.
        """
        return self.artifacts.grant_write(role, self.folder(endpoint))

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
