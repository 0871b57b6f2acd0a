"""The function between the API and the SageMaker endpoints."""

from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.artifact_store import ArtifactStore
from mlops_constructs.async_inference import AsyncChannel
from mlops_constructs.component_endpoint import ComponentEndpoint
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.function_in_vpc import function_in_vpc
from mlops_constructs.log_settings import LogSettings
from mlops_constructs.model_endpoint import ModelEndpoint
from mlops_constructs.naming import Naming
from mlops_constructs.private_network import PrivateNetwork
from mlops_constructs.service_call import S3, ServiceCall

# API Gateway waits 29 s; the function gives up a second before, so that the caller learns why.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
TIMEOUT = Duration.seconds(28)


class ModelInvoker(Construct):
    """A Lambda function in the VPC that invokes any endpoint of the environment by its name.

    What is asked of an asynchronous endpoint it puts into the bucket, and reads the answer there.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the names of the endpoints start with: the function may invoke no other.
    network
        Where the function runs.
    artifacts
        The store of what asynchronous endpoints are asked and answer.
    source
        Folder of the function's code, which holds ``invoker/handler.py``.
    log_settings
        How logs are kept.
    concurrency
        Requests that are served at once, reserved of what the account may run.

    Attributes
    ----------
    function : aws_cdk.aws_lambda.Function
        The function.

    Raises
    ------
    FaultsError
        Where `concurrency` lets nothing run.

    Examples
    --------
    >>> invoker = ModelInvoker(  # doctest: +SKIP
    ...     stack, "Invoker", naming=naming, network=network, artifacts=artifacts,
    ...     source=Path("lambda/invoker"), log_settings=settings)
    """

    # Lambda writes the function's log over a network of its own.
    CALLS = (
        ServiceCall(
            "sagemaker.runtime",
            "invoker",
            "invokes endpoints",
            ("sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointAsync"),
        ),
        ServiceCall(
            S3,
            "invoker",
            "passes on what is answered later",
            (*ArtifactStore.READ, *ArtifactStore.WRITE),
        ),
    )

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        network: PrivateNetwork,
        artifacts: ArtifactStore,
        source: Path,
        log_settings: LogSettings,
        concurrency: int = 100,
    ) -> None:
        super().__init__(scope, construct_id)
        if concurrency < 1:
            fault = Fault("concurrency", str(concurrency), "1 or more", "Let one request run.")
            raise_faults(self.node.path, [fault])
        network.require(self, self.CALLS)
        self.function = function_in_vpc(
            self,
            description="Passes a request of the API to the SageMaker endpoint it names",
            purpose="Invokes the model endpoints",
            callers="Model invoker",
            code=lambda_.Code.from_asset(str(source), exclude=["**/__pycache__", "**/*.pyc"]),
            handler="invoker.handler.handler",
            environment={
                "BUCKET": artifacts.bucket_name,
                "ENDPOINT_PREFIX": naming.endpoint(""),
                "READ_SECONDS": str(int(TIMEOUT.to_seconds()) - 2),
            },
            timeout=TIMEOUT,
            concurrency=concurrency,
            network=network,
            log_settings=log_settings,
        )
        assert self.function.role is not None
        ModelEndpoint.grant_invoke_any(self.function.role, naming)
        ComponentEndpoint.grant_invoke_any(self.function.role, naming)
        AsyncChannel.grant_ask_any(self.function.role, naming, artifacts)
        acknowledge(
            self.function,
            "API Gateway calls it and waits: a call that fails is answered, and is never queued.",
            "NIST.800.53.R5-LambdaDLQ",
            "HIPAA.Security-LambdaDLQ",
            "Serverless-LambdaDLQ",
        )
