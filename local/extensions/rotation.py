"""``AWS::SecretsManager::RotationSchedule`` and RotateSecret: the function's own steps, for real.

Nothing here waits for a schedule: a secret is rotated when somebody asks for it.
"""

import contextvars
import json
import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.extensions import hooks
from local.extensions.hooks import Created, Properties, account_and_region
from local.host import Host

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"

Answer = tuple[int, dict[str, str], bytes]

log = logging.getLogger(__name__)


class Rotations:
    """Has secrets rotated by their functions, as Secrets Manager does: after it has answered.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html

    Parameters
    ----------
    host
        Whose emulator keeps the secrets and runs the functions.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    async def answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query: Mapping[str, Any],
    ) -> Answer:
        """Answer a request of RotateSecret."""
        asked = json.loads(body)
        described = hooks.describe_secret(asked.get("SecretId", ""))
        if described is None:
            return _refusal("ResourceNotFoundException", "There is no such secret.")
        function = asked.get("RotationLambdaARN") or described.get("RotationLambdaARN")
        if not function:
            return _refusal("InvalidRequestException", "No function rotates this secret.")
        secret = described["ARN"]
        rules = asked.get("RotationRules") or described.get("RotationRules") or {}
        hooks.set_rotation(secret, function, rules)
        labels = described["VersionIdsToStages"]
        left = [name for name, of_it in labels.items() if PENDING in of_it and CURRENT not in of_it]
        version = left[0] if left else asked.get("ClientRequestToken") or str(uuid.uuid4())
        if asked.get("RotateImmediately", True):
            if not left:
                hooks.add_pending_version(secret, version)
            self._start(secret, function, version, STEPS)
        else:
            self.try_out(secret, function)
        if left:
            return _refusal(
                "InvalidRequestException",
                "A previous rotation is not complete. It is tried again.",
            )
        answer = {"ARN": secret, "Name": described["Name"], "VersionId": version}
        return 200, {}, json.dumps(answer).encode()

    def try_out(self, secret: str, function: str) -> None:
        """Run the one step that changes nothing, with a version that is then taken away."""
        version = str(uuid.uuid4())
        hooks.add_pending_version(secret, version)
        self._start(secret, function, version, ["testSecret"])

    def _start(self, secret: str, function: str, version: str, steps: Sequence[str]) -> None:
        # The thread keeps whose request this is.
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run,
            args=[self._run, secret, function, version, steps],
            name="rotation",
            daemon=True,
        ).start()

    def _run(self, secret: str, function: str, version: str, steps: Sequence[str]) -> None:
        client = self._host.client("lambda", account_and_region()[1])
        try:
            self._trust(client, function)
            for step in steps:
                event = {"Step": step, "SecretId": secret, "ClientRequestToken": version}
                answer = client.invoke(FunctionName=function, Payload=json.dumps(event))
                if "FunctionError" in answer:
                    said = json.loads(answer["Payload"].read())
                    log.error("rotation failed: %s", said.get("errorMessage"))
                    break
        except (BotoCoreError, ClientError):
            log.exception("rotation failed: %s", secret)
        if STEPS[-1] not in steps:
            hooks.remove_version(secret, version)

    def _trust(self, client: Any, function: str) -> None:
        """Give the function what Lambda's runtime holds, and this machine does not."""
        certificates = self._host.address("database certificates")
        described = client.get_function_configuration(FunctionName=function)
        variables = described.get("Environment", {}).get("Variables", {})
        if variables.get("DATABASE_CA") != certificates:
            client.update_function_configuration(
                FunctionName=function,
                Environment={"Variables": {**variables, "DATABASE_CA": certificates}},
            )


class RotationSchedule:
    """When a secret is rotated, and by which function.

    Parameters
    ----------
    rotations
        What rotates it.
    """

    def __init__(self, rotations: Rotations) -> None:
        self._rotations = rotations

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Note the schedule, and try it out."""
        secret, function = properties["SecretId"], properties["RotationLambdaARN"]
        hooks.set_rotation(secret, function, properties.get("RotationRules", {}))
        self._rotations.try_out(secret, function)
        return Created(secret, {"Id": secret})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Replace it."""
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Have the secret stay as it is."""
        hooks.set_rotation(physical_id, "", {})


def _refusal(code: str, message: str) -> Answer:
    headers = {"x-amzn-errortype": code}
    return 400, headers, json.dumps({"__type": code, "message": message}).encode()
