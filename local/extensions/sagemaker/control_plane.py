"""What SageMaker is asked for, and who does it.

An operation that is not here is refused, never pretended.
"""

from collections.abc import Mapping
from typing import Any

from local.extensions.json_service import (
    Answer,
    JsonService,
    Operation,
    RefusedError,
    invalid,
    refused,
)
from local.extensions.sagemaker.components import RESOURCE, Components
from local.extensions.sagemaker.endpoints import Endpoints
from local.extensions.sagemaker.records import Records, split
from local.extensions.sagemaker.runtime import INVOCATION, Runtime
from local.extensions.sagemaker.transform import TransformJobs
from local.extensions.sagemaker.variants import Record

KEPT = ("Model", "EndpointConfig")
"""Kinds that are records and nothing that runs."""


class SageMaker(JsonService):
    """The service.

    Parameters
    ----------
    records
        What it keeps.
    endpoints, jobs, components
        What runs.
    runtime
        What answers invocations.
    """

    def __init__(
        self,
        records: Records,
        endpoints: Endpoints,
        jobs: TransformJobs,
        components: Components,
        runtime: Runtime,
    ) -> None:
        super().__init__(
            "sagemaker",
            "SageMaker.",
            {
                "CreateModel": lambda request: self._keep("Model", request),
                "CreateEndpointConfig": self._create_config,
                "CreateEndpoint": endpoints.create,
                "DescribeEndpoint": endpoints.describe,
                "UpdateEndpoint": endpoints.update,
                "UpdateEndpointWeightsAndCapacities": endpoints.update_capacities,
                "DeleteEndpoint": self._delete_endpoint,
                "CreateTransformJob": jobs.create,
                "DescribeTransformJob": jobs.describe,
                "StopTransformJob": jobs.stop,
                "ListTransformJobs": jobs.all,
                "CreateInferenceComponent": components.create,
                "DescribeInferenceComponent": components.describe,
                "UpdateInferenceComponent": components.update,
                "UpdateInferenceComponentRuntimeConfig": components.update_copies,
                "DeleteInferenceComponent": components.delete,
                "ListInferenceComponents": components.all,
            },
        )
        self.endpoints = endpoints
        self.components = components
        self._records = records
        self._runtime = runtime

    async def answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Any],
    ) -> Answer:
        """Answer a request to SageMaker or to its runtime."""
        invocation = INVOCATION.fullmatch(path)
        if not invocation:
            return await super().answer(method, path, headers, body, query)
        try:
            return await self._runtime.answer(invocation, headers, body)
        except RefusedError as error:
            return refused(error)

    def work(self, operation: str) -> Operation | None:
        """What carries an operation out; nothing where it is not served here."""
        return super().work(operation) or self._of_records(operation)

    def capacity(self, resource: str) -> int | None:
        """How many instances or copies there are to be; nothing while that changes.

        Parameters
        ----------
        resource
            As Application Auto Scaling calls it.
        """
        if resource.startswith(RESOURCE):
            return self.components.capacity(resource)
        return self.endpoints.capacity(resource)

    def scale(self, resource: str, capacity: int) -> None:
        """Have that many instances or copies, and wait for them.

        Raises
        ------
        StartError
            Where they do not start.
        """
        if resource.startswith(RESOURCE):
            self.components.scale(resource, capacity)
        else:
            self.endpoints.scale(resource, capacity)

    def _of_records(self, operation: str) -> Operation | None:
        """What records alone answer, or nothing."""
        verb, kind = split(operation)
        if operation in ("AddTags", "ListTags", "DeleteTags"):
            return lambda request: self._records.change_tags(operation, request)
        if verb == "Describe" and kind in KEPT:
            return lambda request: self._records.found(kind, request[f"{kind}Name"])
        if verb == "Delete" and kind in KEPT:
            return lambda request: self._forget(kind, request)
        if verb == "List" and kind in (*KEPT, "Endpoint"):
            return lambda request: {
                f"{kind}s": self._records.all(kind, request.get("NameContains", ""))
            }
        return None

    def _keep(self, kind: str, request: Mapping[str, Any]) -> Record:
        return {f"{kind}Arn": self._records.add(kind, request)[f"{kind}Arn"]}

    def _forget(self, kind: str, request: Mapping[str, Any]) -> Record:
        self._records.remove(kind, request[f"{kind}Name"])
        return {}

    def _create_config(self, request: Mapping[str, Any]) -> Record:
        for variant in request["ProductionVariants"]:
            if "ModelName" in variant:
                self._records.found("Model", variant["ModelName"])
            elif "ExecutionRoleArn" not in request:
                raise invalid(
                    f"Variant {variant['VariantName']} names no model: that is for inference"
                    " components, whose endpoint configuration has an ExecutionRoleArn."
                )
        return self._keep("EndpointConfig", request)

    def _delete_endpoint(self, request: Mapping[str, Any]) -> Record:
        name = request["EndpointName"]
        used = self.components.all({"EndpointNameEquals": name})["InferenceComponents"]
        if used:
            names = ", ".join(each["InferenceComponentName"] for each in used)
            raise invalid(f"Endpoint {name} has inference components: {names}.")
        return self.endpoints.delete(request)
