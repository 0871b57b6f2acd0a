"""SageMaker's models, endpoint configurations and endpoints, and the calls to them.

Requests are checked against the service's own model, which botocore carries. An endpoint runs its
container's `serve`, and goes through the states of a real one. An operation that is not here is
refused, never pretended.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import botocore.session
import httpx2
from botocore.model import StructureShape
from botocore.validate import ParamValidator

from local.extensions.hooks import Created, Properties, account_and_region
from local.extensions.model_server import ModelServer, ModelServerError
from local.host import Host

INVOCATION = re.compile(r"/endpoints/(?P<endpoint>[^/]+)/invocations")
CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"

Record = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A request that SageMaker refuses.

    Parameters
    ----------
    code
        The error's code.
    message
        What is wrong.
    status
        HTTP status.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class SageMaker:
    """The control plane, and the way to the containers.

    Parameters
    ----------
    host
        Where the containers run.
    """

    KINDS = ("Model", "EndpointConfig", "Endpoint")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._records: dict[str, dict[str, Record]] = {kind: {} for kind in self.KINDS}
        self._servers: dict[str, ModelServer] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._settled: dict[str, threading.Event] = {}
        self._client = httpx2.AsyncClient(timeout=60)
        loaded = botocore.session.get_session().get_service_model("sagemaker")
        self._operations = {name: loaded.operation_model(name) for name in loaded.operation_names}

    async def answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Any],
    ) -> Answer:
        """Answer a request to SageMaker or to its runtime."""
        try:
            invocation = INVOCATION.fullmatch(path)
            if invocation:
                return await self._invoke(invocation["endpoint"], headers, body)
            operation = headers.get("x-amz-target", "").removeprefix("SageMaker.")
            return _json(200, self.do(operation, json.loads(body or b"{}")))
        except RefusedError as error:
            message = {"__type": error.code, "message": str(error), "Message": str(error)}
            status, given, content = _json(error.status, message)
            return status, {**given, "x-amzn-errortype": error.code}, content

    def do(self, operation: str, request: Mapping[str, Any]) -> Record:
        """Carry out an operation of the control plane.

        Parameters
        ----------
        operation
            Its name, such as ``CreateModel``.
        request
            Its request.

        Raises
        ------
        RefusedError
            Where it is not served here, or its request does not fit.
        """
        verb, kind = _split(operation)
        work: Callable[[Mapping[str, Any]], Record]
        if operation == "UpdateEndpoint":
            work = self._update_endpoint
        elif operation in ("AddTags", "ListTags", "DeleteTags"):
            work = getattr(self, f"_{verb.lower()}_tags")
        elif kind in self.KINDS and verb in ("Create", "Describe", "Delete", "List"):
            work = partial(getattr(self, f"_{verb.lower()}"), kind)
        else:
            raise RefusedError(
                "UnknownOperationException",
                f"sagemaker:{operation} does not run on this machine, and nothing pretends that it"
                " did. Deploy to an account to use it.",
            )
        return work(self._checked(operation, request))

    def wait(self, endpoint: str) -> Record:
        """Wait until an endpoint is settled.

        Returns
        -------
        dict
            Its record.
        """
        self._settled[endpoint].wait()
        return self._records["Endpoint"][endpoint]

    def accepted(self, operation: str, properties: Mapping[str, Any]) -> Record:
        """Of `properties`, those that an operation takes."""
        known = self._input(operation).members
        return {name: value for name, value in properties.items() if name in known}

    def _checked(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        report = ParamValidator().validate(dict(request), self._input(operation))
        if report.has_errors():
            raise RefusedError("ValidationException", report.generate_report())
        return request

    def _input(self, operation: str) -> StructureShape:
        shape = self._operations[operation].input_shape
        assert shape is not None
        return shape

    def _create(self, kind: str, request: Mapping[str, Any]) -> Record:
        name = request[f"{kind}Name"]
        account, region = account_and_region()
        arn = f"arn:aws:sagemaker:{region}:{account}:{_noun(kind)}/{name}"
        if name in self._records[kind]:
            raise RefusedError(
                "ValidationException", f'Cannot create already existing {_noun(kind)} "{arn}".'
            )
        record = {**request, f"{kind}Arn": arn, "CreationTime": time.time()}
        self._tags[arn] = {tag["Key"]: tag["Value"] for tag in record.pop("Tags", [])}
        if kind == "EndpointConfig":
            for variant in request["ProductionVariants"]:
                self._found("Model", variant.get("ModelName", ""))
        if kind == "Endpoint":
            self._found("EndpointConfig", request["EndpointConfigName"])
        self._records[kind][name] = record
        if kind == "Endpoint":
            record["EndpointStatus"] = "Creating"
            self._bring_up(record, request["EndpointConfigName"])
        return {f"{kind}Arn": arn}

    def _describe(self, kind: str, request: Mapping[str, Any]) -> Record:
        return self._found(kind, request[f"{kind}Name"])

    def _list(self, kind: str, request: Mapping[str, Any]) -> Record:
        contained = request.get("NameContains", "")
        found = [record for name, record in self._records[kind].items() if contained in name]
        return {f"{kind}s": found}

    def _delete(self, kind: str, request: Mapping[str, Any]) -> Record:
        name = request[f"{kind}Name"]
        record = self._found(kind, name)
        if kind == "Endpoint":
            record["EndpointStatus"] = "Deleting"
            server = self._servers.pop(name, None)
            if server:
                # Not here: this may be the thread that answers everybody.
                threading.Thread(target=server.stop, name=f"stop-{name}").start()
            self._host.withdraw(f"endpoint {name}")
        del self._records[kind][name]
        self._tags.pop(record[f"{kind}Arn"], None)
        return {}

    def _update_endpoint(self, request: Mapping[str, Any]) -> Record:
        record = self._found("Endpoint", request["EndpointName"])
        self._found("EndpointConfig", request["EndpointConfigName"])
        if record["EndpointStatus"] not in ("InService", "Failed"):
            raise RefusedError(
                "ValidationException",
                f'Cannot update in-progress endpoint "{record["EndpointArn"]}".',
            )
        record["EndpointStatus"] = "Updating"
        self._bring_up(record, request["EndpointConfigName"])
        return {"EndpointArn": record["EndpointArn"]}

    def _add_tags(self, request: Mapping[str, Any]) -> Record:
        tags = self._tags_of(request)
        tags |= {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _list_tags(self, request: Mapping[str, Any]) -> Record:
        tags = self._tags_of(request)
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _delete_tags(self, request: Mapping[str, Any]) -> Record:
        tags = self._tags_of(request)
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}

    def _tags_of(self, request: Mapping[str, Any]) -> dict[str, str]:
        arn = request["ResourceArn"]
        if arn not in self._tags:
            raise RefusedError("ValidationException", f'Could not find "{arn}".')
        return self._tags[arn]

    def _found(self, kind: str, name: str) -> Record:
        if name not in self._records[kind]:
            account, region = account_and_region()
            arn = f"arn:aws:sagemaker:{region}:{account}:{_noun(kind)}/{name}"
            raise RefusedError("ValidationException", f'Could not find {_noun(kind)} "{arn}".')
        return self._records[kind][name]

    def _bring_up(self, record: Record, config_name: str) -> None:
        """Serve by another configuration, in the background; what served before serves until then.

        Where that fails, a new endpoint is Failed, and an older one goes on as it was.
        """
        name = record["EndpointName"]
        region = account_and_region()[1]
        config = self._records["EndpointConfig"][config_name]
        record.pop("FailureReason", None)
        settled = self._settled[name] = threading.Event()

        def work() -> None:
            try:
                variant, container = self._only_container(config)
                server = ModelServer(self._host, region, name, container)
            except ModelServerError as error:
                log.error("Endpoint %s: %s", name, error)
                record["FailureReason"] = str(error)
                record["EndpointStatus"] = "InService" if name in self._servers else "Failed"
            else:
                old = self._servers.get(name)
                self._servers[name] = server
                record["EndpointConfigName"] = config_name
                record["ProductionVariants"] = [_summary(variant, container)]
                record["EndpointStatus"] = "InService"
                self._host.announce(f"endpoint {name}", f"http://127.0.0.1:{server.port}")
                if old:
                    old.stop()
            finally:
                record["LastModifiedTime"] = time.time()
                settled.set()

        record["LastModifiedTime"] = time.time()
        threading.Thread(target=work, name=f"endpoint-{name}", daemon=True).start()

    def _only_container(self, config: Record) -> tuple[Record, Record]:
        variants = config["ProductionVariants"]
        if len(variants) != 1:
            raise ModelServerError(
                f"{len(variants)} variants share the traffic of this endpoint: here one runs."
            )
        model = self._found("Model", variants[0]["ModelName"])
        containers = model.get("Containers") or [model["PrimaryContainer"]]
        if len(containers) != 1:
            raise ModelServerError(f"The model has {len(containers)} containers: here one runs.")
        return variants[0], containers[0]

    async def _invoke(self, endpoint: str, headers: Mapping[str, str], body: bytes) -> Answer:
        record = self._records["Endpoint"].get(endpoint)
        server = self._servers.get(endpoint)
        if record is None or server is None:
            account = account_and_region()[0]
            raise RefusedError(
                "ValidationError", f"Endpoint {endpoint} of account {account} not found."
            )
        if server.port is None:
            raise RefusedError("ServiceUnavailable", "The model server does not answer.", 503)
        passed = ("content-type", "accept", CUSTOM_ATTRIBUTES)
        try:
            answer = await self._client.post(
                f"http://127.0.0.1:{server.port}/invocations",
                content=body,
                headers={name: headers[name] for name in passed if name in headers},
            )
        except httpx2.HTTPError as error:
            raise RefusedError(
                "ServiceUnavailable", f"The model server died: {error}", 503
            ) from error
        if answer.is_success:
            given = {
                "Content-Type": answer.headers.get("content-type", "application/octet-stream"),
                "x-Amzn-Invoked-Production-Variant": record["ProductionVariants"][0]["VariantName"],
            }
            if CUSTOM_ATTRIBUTES in answer.headers:
                given[CUSTOM_ATTRIBUTES] = answer.headers[CUSTOM_ATTRIBUTES]
            return 200, given, answer.content
        side = "client" if answer.status_code < 500 else "server"
        status, given, content = _json(
            424,
            {
                "Message": f"Received {side} error ({answer.status_code}) from primary with"
                f' message "{answer.text}".',
                "OriginalStatusCode": answer.status_code,
                "OriginalMessage": answer.text,
            },
        )
        return status, {**given, "x-amzn-errortype": "ModelError"}, content


class SageMakerResource:
    """One of the three types, for CloudFormation.

    Parameters
    ----------
    sagemaker
        The control plane.
    kind
        ``Model``, ``EndpointConfig`` or ``Endpoint``.
    """

    def __init__(self, sagemaker: SageMaker, kind: str) -> None:
        self._sagemaker = sagemaker
        self._kind = kind

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Create one, and wait until it is settled."""
        name = properties.get(f"{self._kind}Name") or f"{stack}-{logical_id}"
        request = self._sagemaker.accepted(f"Create{self._kind}", properties)
        made = self._sagemaker.do(f"Create{self._kind}", {**request, f"{self._kind}Name": name})
        if self._kind == "Endpoint":
            record = self._sagemaker.wait(name)
            if record["EndpointStatus"] == "Failed":
                raise RefusedError("EndpointFailed", record["FailureReason"])
        return self._created(made[f"{self._kind}Arn"])

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Update an endpoint; of the others, make another under its new name."""
        if self._kind != "Endpoint":
            return self.create(logical_id, new, stack)
        name = physical_id.rpartition("/")[2]
        request = self._sagemaker.accepted("UpdateEndpoint", new)
        self._sagemaker.do("UpdateEndpoint", {**request, "EndpointName": name})
        reason = self._sagemaker.wait(name).get("FailureReason")
        if reason:
            raise RefusedError("EndpointFailed", f"{reason} The former version serves on.")
        return self._created(physical_id)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Delete one."""
        name = physical_id.rpartition("/")[2]
        self._sagemaker.do(f"Delete{self._kind}", {f"{self._kind}Name": name})

    def _created(self, arn: str) -> Created:
        return Created(arn, {f"{self._kind}Name": arn.rpartition("/")[2], "Id": arn})


def _split(operation: str) -> tuple[str, str]:
    """``CreateModel`` as ``Create`` and ``Model``; ``ListModels`` too."""
    words = re.findall(r"[A-Z][a-z]*", operation)
    verb = words[0] if words else ""
    kind = operation.removeprefix(verb)
    return verb, kind.removesuffix("s") if verb == "List" else kind


def _noun(kind: str) -> str:
    return {"EndpointConfig": "endpoint-config"}.get(kind, kind.lower())


def _summary(variant: Mapping[str, Any], container: Mapping[str, Any]) -> Record:
    count, weight = variant.get("InitialInstanceCount", 1), variant.get("InitialVariantWeight", 1)
    return {
        "VariantName": variant["VariantName"],
        "DeployedImages": [{"SpecifiedImage": container["Image"]}],
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
        "CurrentWeight": weight,
        "DesiredWeight": weight,
    }


def _json(status: int, content: Mapping[str, Any]) -> Answer:
    return (
        status,
        {"Content-Type": "application/x-amz-json-1.1"},
        json.dumps(content).encode(),
    )
