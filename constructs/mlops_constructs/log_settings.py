"""How an environment keeps its logs: encrypted with one key, and for so long."""

from dataclasses import dataclass

from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct


@dataclass(frozen=True)
class LogSettings:
    """The key and the retention of every log group.

    Parameters
    ----------
    key
        Encrypts the logs.
    retention
        How long they are kept.

    Examples
    --------
    >>> settings = LogSettings(key, logs.RetentionDays.ONE_YEAR)  # doctest: +SKIP
    >>> group = settings.group(self, "Log")  # doctest: +SKIP
    """

    key: kms.IKey
    retention: logs.RetentionDays

    def group(
        self, scope: Construct, construct_id: str, *, name: str | None = None
    ) -> logs.LogGroup:
        """Make a log group, which outlives its stack.

        Parameters
        ----------
        scope, construct_id
            Where the group stands in the tree.
        name
            Its name, where a service decides it: the service would make the group itself,
            without a key, if it was not there. CloudFormation names it otherwise.
        """
        return logs.LogGroup(
            scope,
            construct_id,
            log_group_name=name,
            encryption_key=self.key,
            retention=self.retention,
        )
