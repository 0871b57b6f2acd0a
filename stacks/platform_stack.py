"""What every stack of the platform has in common: its name, its target, where its roles live."""

from typing import Any

import jsii
from aws_cdk import Environment as Target
from aws_cdk import IPropertyInjector, RemovalPolicy, Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from mlops_constructs.acknowledgment import acknowledge
from stacks.config import Environment

NETWORK, DATA = "Network", "Data"
"""What the stacks that others stand on are called in the app."""


class PlatformStack(Stack):
    """A stack of one environment.

    Parameters
    ----------
    scope, construct_id
        Where the stack stands; its name is the environment's prefix and `construct_id`.
    environment
        The environment it belongs to.
    holds
        What the stack holds, in a few words.
    termination_protection
        Refuses to be deleted: no.
    account
        Account it belongs to: the environment's.

    Attributes
    ----------
    removal_policy : aws_cdk.RemovalPolicy
        What happens to state with its stack.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        holds: str,
        termination_protection: bool = False,
        account: str = "",
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=environment.naming.stack(construct_id),
            description=f"{holds} ({environment.naming.prefix})",
            env=Target(account=account or environment.account, region=environment.region),
            property_injectors=[
                _UnderOnePath(kind, environment.naming.iam_path)
                for kind in (
                    iam.Role.PROPERTY_INJECTION_ID,
                    iam.ManagedPolicy.PROPERTY_INJECTION_ID,
                )
            ],
            termination_protection=termination_protection,
        )
        self.removal_policy = RemovalPolicy[environment.data.removal.upper()]
        tags = Tags.of(self)
        tags.add("platform", environment.platform)
        tags.add("environment", environment.name)
        self._reasons = environment.opt_outs
        self._zones = environment.network.zone_names

    @property
    def availability_zones(self) -> list[str]:
        """The environment's zones, so that synth need not ask AWS for the region's."""
        return self._zones

    def share(self, *values: str) -> None:
        """Export what later stacks refer to, whether any of them is there yet or not.

        So a new endpoint changes nothing here, and its stack can be deployed by itself.

        Parameters
        ----------
        values
            References to resources of this stack.
        """
        for value in values:
            self.export_value(value)

    def opt_out(self, key: str, construct: IConstruct, *findings: str) -> None:
        """Carry out what the environment opts out of with `key`, if it does.

        The reason becomes metadata of the template, so that `cdk diff` shows it, and the
        acknowledgment of what cdk-nag finds.

        Parameters
        ----------
        key
            Key of the configuration.
        construct
            What its unsafe value is about.
        findings
            What cdk-nag finds in it.
        """
        if key in self._reasons:
            acknowledge(construct, self._reasons[key], *findings)
            self.add_metadata(f"OptOut:{key}", self._reasons[key])


@jsii.implements(IPropertyInjector)
class _UnderOnePath:
    """Gives every role or policy of a stack the IAM path that policies of earlier stacks name."""

    def __init__(self, kind: str, path: str) -> None:
        self._kind = kind
        self._path = path

    @property
    def construct_unique_id(self) -> str:
        return self._kind

    def inject(self, original_props: Any, *, id: str, scope: Construct) -> Any:  # noqa: A002
        return {**original_props, "path": original_props.get("path") or self._path}
