"""``AWS::SSM::Document`` and ``AWS::SSM::Association``: runbooks, carried out at once."""

import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore import xform_name

from local.extensions.automation import EXECUTION, Runbook
from local.extensions.hooks import Created, Properties, account_and_region
from local.host import Host
from operations.errors import OperationError

CLOSING = "AWSConfigRemediation-RemoveVPCDefaultSecurityGroupRules"
"""AWS's own runbook that this platform uses."""

RECORDED = {
    ("rds", "CreateDBSnapshot"): "The snapshot is recorded, and nothing is copied: here it"
    " restores nothing.",
}
"""What the emulator answers well to, and does not do."""

log = logging.getLogger(__name__)


class Document:
    """``AWS::SSM::Document``: a runbook of our own, kept for the associations.

    Attributes
    ----------
    runbooks : dict of str to local.extensions.automation.Runbook
        Each, by its name.
    """

    def __init__(self) -> None:
        self.runbooks: dict[str, Runbook] = {}

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Read the runbook: what cannot be carried out here is said now."""
        name = properties.get("Name") or f"{stack}-{logical_id}"
        self.runbooks[name] = Runbook(properties["Content"])
        return Created(name, {})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Replace it."""
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Forget it."""
        self.runbooks.pop(physical_id, None)


class Association:
    """``AWS::SSM::Association``, whose runbook is carried out at once, for each of its targets.

    Parameters
    ----------
    host
        Whose emulator is called.
    documents
        What knows our own runbooks.
    """

    def __init__(self, host: Host, documents: Document) -> None:
        self._host = host
        self._documents = documents

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Carry the runbook out; where it fails, so does the association."""
        carry_out = self._runbook(properties["Name"])
        for target in properties["Targets"]:
            for value in target["Values"]:
                carry_out(value, properties)
        return Created(f"{stack}-{logical_id}", {"AssociationId": f"{stack}-{logical_id}"})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Do it again, as State Manager does."""
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Leave what was done."""

    def _runbook(self, name: str) -> Callable[[str, Properties], None]:
        if name == CLOSING:
            return self._close
        if name in self._documents.runbooks:
            return self._run
        raise OperationError(
            f"The runbook '{name}' does not run on this machine; '{CLOSING}' and those of the"
            " stacks do.",
            "Deploy to an account to use it.",
        )

    def _run(self, value: str, properties: Properties) -> None:
        """Run one of the stacks' own runbooks for one value of its target parameter."""
        name = properties["Name"]
        region = account_and_region()[1]
        record = Record(self._host.state.logs / f"runbook-{name}.log")
        given = {key: values[0] for key, values in properties.get("Parameters", {}).items()}
        variables = {
            **given,
            properties["AutomationTargetParameterName"]: value,
            EXECUTION: str(uuid.uuid4()),
        }

        def call(service: str, api: str, inputs: dict[str, Any]) -> Any:
            answer = getattr(self._host.client(service, region), xform_name(api))(**inputs)
            if (service, api) in RECORDED:
                record.say(RECORDED[service, api])
            return answer

        self._documents.runbooks[name].run(variables, call, record.say)

    def _close(self, group_id: str, _: Properties) -> None:
        """Take every rule out of a security group."""
        client = self._host.client("ec2", account_and_region()[1])
        (group,) = client.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
        if group["IpPermissions"]:
            client.revoke_security_group_ingress(
                GroupId=group_id, IpPermissions=group["IpPermissions"]
            )
        if group["IpPermissionsEgress"]:
            client.revoke_security_group_egress(
                GroupId=group_id, IpPermissions=group["IpPermissionsEgress"]
            )


class Record:
    """The log of a runbook, a line for each step.

    Parameters
    ----------
    file
        Where it is.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)

    def say(self, what: str) -> None:
        """Add a line."""
        log.info("%s: %s", self._file.stem, what)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC):%H:%M:%S} {what}\n")
