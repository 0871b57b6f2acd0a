"""The perimeter around data: buckets, keys, repositories and secrets answer our network alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import IConstruct

from mlops_constructs.naming import Naming
from mlops_constructs.service_call import S3
from mlops_constructs.sites import site_of

# What KMS does with data. Administering a key is not here: a mistake must stay mendable.
CRYPTOGRAPHY = (
    "kms:Decrypt",
    "kms:DeriveSharedSecret",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)

IMAGES = (
    "ecr:BatchDeleteImage",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)


@dataclass(frozen=True)
class DataPerimeter:
    """Denies what comes neither through an endpoint of ours nor from a role that is trusted.

    Services that act by themselves or in the name of one of our identities pass: they deliver
    logs, encrypt volumes, replicate. The pattern is AWS's own:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_data-perimeters.html

    Parameters
    ----------
    naming
        Where the roles live that SageMaker assumes on its own network.
    endpoints
        The VPC endpoint of each service that data is reached through.
    other_endpoints
        Ids of VPC endpoints of other networks that data may be reached through.
    other_vpcs
        Ids of other VPCs, such as a client's: data may be reached through any endpoint of theirs.
    trusted_roles
        Patterns of role ARNs that may reach buckets and repositories from anywhere. The role that
        CloudFormation deploys with may always, and may use keys and secrets too.

    Examples
    --------
    >>> perimeter = DataPerimeter(naming, network.endpoints)  # doctest: +SKIP
    >>> perimeter.close_bucket(bucket)  # doctest: +SKIP
    """

    naming: Naming
    endpoints: Mapping[str, ec2.IVpcEndpoint]
    other_endpoints: Sequence[str] = ()
    other_vpcs: Sequence[str] = ()
    trusted_roles: Sequence[str] = ()

    def close_bucket(self, bucket: s3.Bucket, *, outside_roles: Sequence[str] = ()) -> None:
        """Deny everything on `bucket` and in it from elsewhere: a link signed by us, too.

        Parameters
        ----------
        bucket
            The bucket.
        outside_roles
            Patterns of roles that are taken elsewhere: by a managed service of AWS, over its own
            network, or by another environment. What they sign themselves passes; a link that they
            hand on does not.
        """
        whole = ["s3:*"], [bucket.bucket_arn, bucket.arn_for_objects("*")], [S3]
        bucket.add_to_resource_policy(
            self._deny_elsewhere(bucket, *whole, [*self.trusted_roles, *outside_roles])
        )
        if outside_roles:
            links = self._deny_elsewhere(bucket, *whole, sid="DenyLinksFromElsewhere")
            links.add_condition("ArnLike", {"aws:PrincipalArn": list(outside_roles)})
            # A line more of a condition that is there: the place and the way have to differ.
            # https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html
            links.add_condition("StringNotEquals", {"s3:authType": "REST-HEADER"})
            bucket.add_to_resource_policy(links)

    def close_key(self, key: kms.Key) -> None:
        """Deny use of `key` from elsewhere that does not come through a service.

        What comes through a service is for that service's own perimeter to decide.
        """
        statement = self._deny_elsewhere(key, list(CRYPTOGRAPHY), ["*"], ["kms"])
        statement.add_condition("Null", {"kms:ViaService": "true"})
        key.add_to_resource_policy(statement)

    def close_repository(
        self, repository: ecr.Repository, *, outside_roles: Sequence[str] = ()
    ) -> None:
        """Deny pulling from and pushing to `repository` from elsewhere.

        SageMaker pulls the image of a model over its own network, with the execution role:
        https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-containers-inference-private.html

        Parameters
        ----------
        repository
            The repository.
        outside_roles
            Patterns of roles that another environment takes.
        """
        statement = self._deny_elsewhere(
            repository,
            list(IMAGES),
            None,
            ["ecr.api", "ecr.dkr"],
            [self._execution_roles(repository), *self.trusted_roles, *outside_roles],
        )
        repository.add_to_resource_policy(statement)

    def close_secret(self, secret: secretsmanager.ISecret) -> None:
        """Deny reading `secret` from elsewhere."""
        statement = self._deny_elsewhere(
            secret, ["secretsmanager:GetSecretValue"], ["*"], ["secretsmanager"]
        )
        secret.add_to_resource_policy(statement)

    def _deny_elsewhere(
        self,
        scope: IConstruct,
        actions: list[str],
        resources: list[str] | None,
        services: Sequence[str],
        roles: Sequence[str] = (),
        sid: str = "DenyFromElsewhere",
    ) -> iam.PolicyStatement:
        known = [self.endpoints[name] for name in services if name in self.endpoints]
        expected = [endpoint.vpc_endpoint_id for endpoint in known]
        trusted = [_deploying_role(scope), *roles]
        conditions: dict[str, dict[str, Any]] = {
            "ArnNotLike": {"aws:PrincipalArn": trusted},
            # A request that nobody signed has no such key, and must be denied all the same.
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false", "aws:ViaAWSService": "false"},
        }
        # A request from elsewhere names no endpoint and no VPC: a negated condition holds for it.
        places = {
            "aws:SourceVpce": [*expected, *self.other_endpoints],
            "aws:SourceVpc": list(self.other_vpcs),
        }
        if any(places.values()):
            conditions["StringNotEquals"] = {key: ids for key, ids in places.items() if ids}
        return iam.PolicyStatement(
            sid=sid,
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=actions,
            resources=resources,
            conditions=conditions,
        )

    def _execution_roles(self, scope: IConstruct) -> str:
        return site_of(scope).arn("iam", f"role{self.naming.execution_path}*", region="")


def _deploying_role(scope: IConstruct) -> str:
    """The role that CloudFormation acts as, which `cdk bootstrap` made.

    https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-customizing.html
    """
    site = site_of(scope)
    name = f"cdk-{site.qualifier}-cfn-exec-role-{site.account}-{site.region}"
    return site.arn("iam", f"role/{name}", region="")
