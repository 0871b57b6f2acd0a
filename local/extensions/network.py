"""Security-group rules and flow logs: recorded, and what can be done is done.

No packet is filtered here, and no flow is logged.
"""

from typing import Any

from local.extensions.hooks import Created, Properties, account_and_region
from local.host import Host


class SecurityGroupRule:
    """``AWS::EC2::SecurityGroupIngress`` or ``...Egress``.

    Parameters
    ----------
    host
        Whose emulator records it.
    direction
        ``ingress`` or ``egress``.
    """

    def __init__(self, host: Host, direction: str) -> None:
        self._host = host
        self._direction = direction

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Add the rule to its group."""
        self._call("authorize", properties)
        return Created(f"{stack}-{logical_id}", {"Id": f"{stack}-{logical_id}"})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Replace the rule."""
        self.delete(physical_id, old)
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Take the rule out of its group."""
        self._call("revoke", properties)

    def _call(self, verb: str, properties: Properties) -> None:
        client = self._host.client("ec2", account_and_region()[1])
        call = getattr(client, f"{verb}_security_group_{self._direction}")
        call(GroupId=properties["GroupId"], IpPermissions=[_permission(properties)])


def _permission(properties: Properties) -> dict[str, Any]:
    """A rule in the form of EC2's API."""
    described = {"Description": properties["Description"]} if properties.get("Description") else {}
    permission: dict[str, Any] = {"IpProtocol": str(properties.get("IpProtocol", "-1"))}
    for port in ("FromPort", "ToPort"):
        if port in properties:
            permission[port] = int(properties[port])
    peers = (
        ("SourceSecurityGroupId", "UserIdGroupPairs", "GroupId"),
        ("DestinationSecurityGroupId", "UserIdGroupPairs", "GroupId"),
        ("SourcePrefixListId", "PrefixListIds", "PrefixListId"),
        ("DestinationPrefixListId", "PrefixListIds", "PrefixListId"),
        ("CidrIp", "IpRanges", "CidrIp"),
    )
    for given, form, key in peers:
        if given in properties:
            permission[form] = [{key: properties[given], **described}]
    return permission


class FlowLog:
    """``AWS::EC2::FlowLog``.

    Parameters
    ----------
    host
        Whose emulator records it.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    def create(self, logical_id: str, properties: Properties, stack: str) -> Created:
        """Record the flow log."""
        taken = ["ResourceType", "TrafficType", "LogDestinationType", "LogGroupName"]
        taken += ["LogDestination", "DeliverLogsPermissionArn"]
        given = {name: properties[name] for name in taken if name in properties}
        made = self._client().create_flow_logs(ResourceIds=[properties["ResourceId"]], **given)
        flow_log = made["FlowLogIds"][0]
        return Created(flow_log, {"Id": flow_log})

    def update(
        self, physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str
    ) -> Created:
        """Make another: of a flow log, nothing but its tags can change."""
        return self.create(logical_id, new, stack)

    def delete(self, physical_id: str, properties: Properties) -> None:
        """Forget the flow log."""
        self._client().delete_flow_logs(FlowLogIds=[physical_id])

    def _client(self) -> Any:
        return self._host.client("ec2", account_and_region()[1])
