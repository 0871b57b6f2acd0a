"""The Api stack: one private API for every endpoint."""

from pathlib import Path

from aws_cdk import CfnOutput
from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from mlops_constructs.inference_api import InferenceApi
from mlops_constructs.model_invoker import ModelInvoker
from stacks.config import Environment
from stacks.data import DataStack
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack

INVOKER_SOURCE = Path(__file__).parent.parent / "lambda" / "invoker"

AUTHORIZATION = {
    "iam": apigateway.AuthorizationType.IAM,
    "api_key": apigateway.AuthorizationType.NONE,
}


class ApiStack(PlatformStack):
    """The invoker and the API in front of it. A new endpoint changes nothing here.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands.
    environment
        The environment it belongs to.
    network
        Where the invoker runs, and the endpoint that the API answers through.
    data
        Where requests are kept that are answered later, and their answers.

    Attributes
    ----------
    api : mlops_constructs.inference_api.InferenceApi
        The API.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        network: NetworkStack,
        data: DataStack,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            environment=environment,
            holds="Private inference API",
        )
        invoker = ModelInvoker(
            self,
            "Invoker",
            naming=environment.naming,
            network=network.network,
            artifacts=data.artifacts,
            source=INVOKER_SOURCE,
            log_settings=network.log_settings,
            concurrency=environment.api.burst,
        )
        self.api = api = InferenceApi(
            self,
            "Api",
            naming=environment.naming,
            invoker=invoker.function,
            vpc_endpoint=network.network.endpoints["execute-api"],
            log_settings=network.log_settings,
            authorization=AUTHORIZATION[environment.api.authorization],
            rate=environment.api.rate,
            burst=environment.api.burst,
        )
        for method in api.methods:
            self.opt_out("api.authorization", method, "AwsSolutions-APIG4")
        if environment.release:
            stage = api.rest_api.deployment_stage
            self.share(api.rest_api.rest_api_id, stage.stage_name, api.key.key_id)
        CfnOutput(self, "InvocationUrl", value=api.invocation_url)
        CfnOutput(self, "ApiKeyId", value=api.key.key_id)
