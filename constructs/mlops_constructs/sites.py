"""Where a construct is deployed, and how things are addressed there."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from aws_cdk import Stack
from constructs import IConstruct


@dataclass(frozen=True)
class Site:
    """The account and region of a stack.

    Each question to the CDK is a message to another process and back. So its stack is asked once,
    and addresses are put together here.

    Parameters
    ----------
    partition
        The partition of the region: ``aws``.
    region
        The region.
    account
        The account.
    qualifier
        What the names of the resources of `cdk bootstrap` have in common there.

    Examples
    --------
    >>> site = Site("aws", "eu-west-1", "111111111111", "hnb659fds")
    >>> site.arn("ecr", "repository/mlops/blue/iris")
    'arn:aws:ecr:eu-west-1:111111111111:repository/mlops/blue/iris'
    >>> site.arn("iam", "role/mlops/blue/*", region="")
    'arn:aws:iam::111111111111:role/mlops/blue/*'
    """

    partition: str
    region: str
    account: str
    qualifier: str

    def arn(
        self, service: str, resource: str, *, region: str | None = None, account: str | None = None
    ) -> str:
        """The ARN of a resource.

        Parameters
        ----------
        service
            Its service, as ARNs name it.
        resource
            What stands behind the account: mostly its kind and its name.
        region
            Its region, empty where ARNs of the service name none: this one.
        account
            Its account, empty where ARNs of the service name none: this one.
        """
        region = self.region if region is None else region
        account = self.account if account is None else account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    def bucket_arn(self, name: str) -> str:
        """The ARN of the bucket of a name, which names neither account nor region."""
        return self.arn("s3", name, region="", account="")


def site_of(construct: IConstruct) -> Site:
    """Where `construct` is deployed.

    Parameters
    ----------
    construct
        The construct, or its stack.

    Examples
    --------
    >>> site_of(role).account  # doctest: +SKIP
    '111111111111'
    """
    site = _SITES.get(construct)
    if site is None:
        stack = Stack.of(construct)
        site = _SITES.get(stack) or Site(
            stack.partition,
            stack.region,
            stack.account,
            stack.synthesizer.bootstrap_qualifier or "",
        )
        _SITES[construct] = _SITES[stack] = site
    return site


_SITES: WeakKeyDictionary[IConstruct, Site] = WeakKeyDictionary()
