"""What each VPC endpoint lets through: declared calls, on this platform's resources."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import aws_iam as iam

from mlops_constructs.naming import Naming
from mlops_constructs.sagemaker_in_vpc import CREATE_MODEL, deny_elsewhere, only_in
from mlops_constructs.service_call import MANAGED_MLFLOW, S3, ServiceCall
from mlops_constructs.sites import Site

# The actions that know no resource: they ask about the caller, for a token, or for a password.
# https://docs.aws.amazon.com/service-authorization/latest/reference/
WITHOUT_RESOURCE = frozenset(
    {
        "cloudwatch:PutMetricData",
        "ecr:GetAuthorizationToken",
        "secretsmanager:GetRandomPassword",
        "sts:GetCallerIdentity",
    }
)


UNOWNED = (S3, "apigateway")
"""The services whose resources' names say nothing of an account."""

DEPLOYING = ("deploy", "file-publishing")
"""The roles of `cdk bootstrap` that `cdk deploy` takes where nothing is looked up."""


@dataclass(frozen=True)
class Principals:
    """Whose requests pass the endpoints.

    Parameters
    ----------
    account
        The account that the platform belongs to.
    organization
        Id of the organization whose every account may pass; nobody else's where empty.
    neighbours
        Patterns of role ARNs that share the VPC: their requests pass, on whatever their account
        holds.

    Examples
    --------
    >>> Principals("111111111111").condition
    {'StringEquals': {'aws:PrincipalAccount': '111111111111'}}
    """

    account: str
    organization: str = ""
    neighbours: Sequence[str] = ()

    @property
    def condition(self) -> dict[str, dict[str, str]]:
        """The condition of whose identity a request must show."""
        if self.organization:
            return {"StringEquals": {"aws:PrincipalOrgID": self.organization}}
        return {"StringEquals": {"aws:PrincipalAccount": self.account}}


@dataclass(frozen=True)
class EndpointPolicies:
    """The policies of a network's endpoints.

    Parameters
    ----------
    site
        Where the endpoints stand.
    naming
        What the names of the platform's resources start with.
    principals
        Whose requests pass.
    subnets
        Ids of the subnets that models may be placed in; any where there is none.
    """

    site: Site
    naming: Naming
    principals: Principals
    subnets: Sequence[str] = ()

    def statements(self, calls: Sequence[ServiceCall]) -> list[iam.PolicyStatement]:
        """The statements for the calls of one service.

        Parameters
        ----------
        calls
            At least one, all of the same service.
        """
        service = calls[0].service
        own = [call for call in calls if not call.bootstrap]
        actions = sorted({action for call in own for action in call.actions})
        made = []
        on_resources = [action for action in actions if action not in WITHOUT_RESOURCE]
        if service == "execute-api":
            made.append(self._anybody_with_a_key(on_resources))
        elif on_resources:
            made += self._on_own_resources(service, on_resources)
        made += self._on_bootstrap(service, [call for call in calls if call.bootstrap])
        without = [action for action in actions if action in WITHOUT_RESOURCE]
        if without:
            made.append(self._allow(without, ["*"]))
        if service == S3 and any(call.actions for call in calls):
            made.append(self._layers_of_images())
        if service == "sagemaker.api":
            made += deny_elsewhere(iam.AnyPrincipal())
        made += self._neighbours(service)
        return made

    def _on_own_resources(self, service: str, actions: list[str]) -> list[iam.PolicyStatement]:
        resources = RESOURCES[service](self.site, self.naming)
        where = self._owner(service)
        if service != "sagemaker.api":
            return [self._allow(actions, resources, where)]
        other = [action for action in actions if action != CREATE_MODEL]
        made = [self._allow(other, resources)] if other else []
        if CREATE_MODEL in actions:
            create = self._allow([CREATE_MODEL], resources)
            create.add_conditions(only_in(self.subnets))
            made.append(create)
        return made

    def _on_bootstrap(
        self, service: str, calls: Sequence[ServiceCall]
    ) -> list[iam.PolicyStatement]:
        """What `cdk deploy` asks of the roles, the bucket and the parameter of its bootstrap."""
        if not calls:
            return []
        actions = sorted({action for call in calls for action in call.actions})
        return [self._allow(actions, bootstrap_resources(self.site)[service], self._owner(service))]

    def _owner(self, service: str) -> dict[str, str]:
        """Whose resource it has to be, where its name does not say so.

        An address of S3 names no account, nor does a key of API Gateway: without this, a bucket
        of anybody's that is called like ours would do.
        """
        return {"aws:ResourceAccount": self.site.account} if service in UNOWNED else {}

    def _allow(
        self, actions: list[str], resources: list[str], where: Mapping[str, str] | None = None
    ) -> iam.PolicyStatement:
        condition = {"StringEquals": {**self.principals.condition["StringEquals"], **(where or {})}}
        return iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=actions,
            resources=resources,
            conditions=condition,
        )

    def _anybody_with_a_key(self, actions: list[str]) -> iam.PolicyStatement:
        # A caller with a key alone has no identity: the API's own policy and method decide.
        return iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=actions,
            resources=RESOURCES["execute-api"](self.site, self.naming),
        )

    def _layers_of_images(self) -> iam.PolicyStatement:
        # ECR keeps image layers in a bucket of its own and hands out links it signed itself.
        # https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
        bucket = f"prod-{self.site.region}-starport-layer-bucket"
        return iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=["s3:GetObject"],
            resources=[self.site.bucket_arn(f"{bucket}/*")],
        )

    def _neighbours(self, service: str) -> list[iam.PolicyStatement]:
        """Who else lives in the VPC goes on as before, with what belongs to the account.

        Requests that know no resource carry no ``aws:ResourceAccount``: a token, an identity.
        """
        if not self.principals.neighbours:
            return []
        prefix = service.partition(".")[0]
        return [
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=[f"{prefix}:*"],
                resources=["*"],
                conditions={
                    "ArnLike": {"aws:PrincipalArn": list(self.principals.neighbours)},
                    "StringEqualsIfExists": {"aws:ResourceAccount": self.site.account},
                },
            )
        ]


Resources = Callable[[Site, Naming], list[str]]


def _sagemaker(*kinds: str) -> Resources:
    return lambda site, naming: [
        site.arn("sagemaker", f"{kind}/{naming.endpoint('*')}") for kind in kinds
    ]


def _anything(service: str) -> Resources:
    return lambda site, _: [site.arn(service, "*")]


def _repositories(site: Site, naming: Naming) -> list[str]:
    return [site.arn("ecr", f"repository/{naming.repository('*')}")]


def _pipelines(site: Site, naming: Naming) -> list[str]:
    return [
        site.arn("codepipeline", name) for name in (naming.pipeline("*"), naming.platform_pipeline)
    ]


RESOURCES: Mapping[str, Resources] = {
    "apigateway": lambda site, _: [
        # Keys of APIs are numbered, and stand in no account's name.
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagement.html
        site.arn("apigateway", "/apikeys/*", account="")
    ],
    "cloudformation": lambda site, naming: [
        site.arn("cloudformation", f"stack/{naming.stack('*')}/*"),
    ],
    "codebuild": _anything("codebuild"),
    "codepipeline": _pipelines,
    "ecr.api": _repositories,
    "ecr.dkr": _repositories,
    "events": _anything("events"),
    "execute-api": _anything("execute-api"),
    "glue": _anything("glue"),
    "kms": _anything("kms"),
    "logs": lambda site, _: [site.arn("logs", "log-group:*")],
    "monitoring": _anything("cloudwatch"),
    S3: lambda site, naming: [site.bucket_arn(f"{naming.prefix}-*")],
    "sagemaker.api": _sagemaker("endpoint", "endpoint-config", "model"),
    # AWS numbers Apps: their names stand in no ARN.
    MANAGED_MLFLOW: lambda site, _: [site.arn("sagemaker", "mlflow-app/*")],
    "sagemaker.runtime": _sagemaker("endpoint", "inference-component"),
    "secretsmanager": lambda site, _: [site.arn("secretsmanager", "secret:*")],
    # Topics are named after their stack.
    "sns": lambda site, naming: [site.arn("sns", naming.stack("*"))],
    "ssm": _anything("ssm"),
    "states": _anything("states"),
    "sts": lambda site, naming: [site.arn("iam", f"role{naming.iam_path}*", region="")],
}
"""What a request may be about, by the service: a pattern that names this account, mostly narrower.

``sagemaker.studio`` and others are added with the construct that first calls them.
"""


def bootstrap_resources(site: Site) -> Mapping[str, list[str]]:
    """What `cdk bootstrap` made in an account and region, by the service.

    https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html

    Parameters
    ----------
    site
        Where stacks are deployed by it.

    Examples
    --------
    >>> bootstrap_resources(site)["s3"]  # doctest: +SKIP
    ['arn:aws:s3:::cdk-hnb659fds-assets-111111111111-eu-west-1', ...]
    """
    start = f"cdk-{site.qualifier}"
    end = f"{site.account}-{site.region}"
    bucket = site.bucket_arn(f"{start}-assets-{end}")
    return {
        "s3": [bucket, f"{bucket}/*"],
        "ssm": [site.arn("ssm", f"parameter/cdk-bootstrap/{site.qualifier}/version")],
        "sts": [
            site.arn("iam", f"role/{start}-{kind}-role-{end}", region="") for kind in DEPLOYING
        ],
    }
