"""Ways to data at rest: buckets, their presigned URLs, snapshots and images."""

from collections.abc import Iterator
from typing import Any

from proof.model import Question
from proof.system.policies import Condition, statements
from proof.system.system import System, View
from proof.system.values import Unknown, as_list, best, named, truth
from proof.ways.audience import NETWORK_KEYS, denies, only_ours_pass
from proof.ways.checks import Register, Sight, broken, lacking, unsure

RULES = Register(Question.WAYS)

Sights = Iterator[Sight]

BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


@RULES.rule(
    "way.public-bucket",
    "AWS::S3::Bucket",
    "AWS::S3::AccessPoint",
    says="No bucket can be made public.",
    mend="Set all four of PublicAccessBlockConfiguration to true, and remove ACL and website.",
)
def public_bucket(view: View, system: System) -> Sights:
    """New buckets block public access; what a template writes down takes its place."""
    access = view.get("AccessControl")
    if access in ("PublicRead", "PublicReadWrite", "AuthenticatedRead"):
        yield broken(f"The bucket's access control list is {access}.")
    if view.get("WebsiteConfiguration") is not None:
        yield broken("The bucket is a website.")
    block = view.get("PublicAccessBlockConfiguration")
    if block is None:
        yield lacking("The bucket does not say that it blocks public access.")
    elif isinstance(block, Unknown):
        yield unsure(f"Nobody can tell what the bucket blocks: {block.why}.")
    else:
        flags = {name: truth(block.get(name), False) for name in BLOCKS}
        missing = [name for name, flag in flags.items() if flag is False]
        unknown = [name for name, flag in flags.items() if flag is None]
        if missing:
            yield broken(f"The bucket does not block public access whole: {', '.join(missing)}.")
        if unknown:
            yield unsure(f"Nobody can tell whether the bucket sets {', '.join(unknown)}.")
    for rule in as_list(view.get("ReplicationConfiguration.Rules")):
        account = rule.get("Destination", {}).get("Account") if isinstance(rule, dict) else None
        if account is not None and system.owns(str(account)) is not True:
            yield broken(f"The bucket is copied to the account {named(account)}.")


@RULES.rule(
    "way.shared-snapshot",
    "AWS::EC2::SnapshotBlockPublicAccess",
    "AWS::ImageBuilder::DistributionConfiguration",
    "AWS::Redshift::EndpointAuthorization",
    "AWS::RDS::DBSnapshot",
    says="No snapshot, image or warehouse is shared with others.",
    mend="Share with accounts that the configuration names, or with nobody.",
)
def shared_snapshot(view: View, system: System) -> Sights:
    """Snapshots and images that others may start from."""
    text = str(view.properties)
    if view.type.endswith("EndpointAuthorization"):
        if system.owns(str(view.get("Account"))) is not True:
            yield broken(f"The warehouse is shared with {named(view.get('Account'))}.")
    elif view.get("State") == "unblocked" or "'UserGroups': ['all']" in text:
        yield broken("Snapshots or images may be shared with everybody.")
    for found in as_list(view.get("Distributions")):
        launch = found.get("AmiDistributionConfiguration", {}) if isinstance(found, dict) else {}
        permission: Any = launch.get("LaunchPermissionConfiguration", {})
        for account in as_list(permission.get("UserIds")):
            if system.owns(str(account)) is not True:
                yield broken(f"Images are shared with the account {named(account)}.")


@RULES.rule(
    "way.presigned-url",
    "AWS::S3::Bucket",
    says="A presigned URL of a bucket works within the network only.",
    mend=(
        "Give the bucket a policy that denies everybody s3:* unless aws:SourceVpce is an"
        " endpoint of yours, or the caller is a service or the role that deploys."
    ),
)
def presigned_url(view: View, system: System) -> Sights:
    """Whoever holds a presigned URL has its signer's rights, from wherever they are."""
    reference = f"${{{view.id}}}"
    name = view.get("BucketName", reference)
    documents = [
        other.get("PolicyDocument")
        for other in system.views("AWS::S3::BucketPolicy")
        if other.get("Bucket") in (reference, name) and system.always(other.resource)
    ]
    verdict = _answers_the_network_only(documents, "s3:GetObject", system)
    if verdict is False:
        yield lacking("The bucket answers presigned URLs from anywhere.")
    elif verdict is None:
        yield unsure("Nobody can tell whether the bucket answers to endpoints of ours only.")


@RULES.rule(
    "way.stolen-credential",
    "AWS::ECR::Repository",
    "AWS::KMS::Key",
    "AWS::SecretsManager::Secret",
    says="A credential that was carried out opens no key, repository or secret.",
    mend=(
        "Give it a policy that denies everybody what reads it unless aws:SourceVpce is an endpoint"
        " of yours, or the caller is a service or the role that deploys; of a key, where"
        " kms:ViaService is absent."
    ),
)
def stolen_credential(view: View, system: System) -> Sights:
    """Whoever holds a role's credential has its rights, from wherever they are."""
    action, path = READ[view.type]
    documents = [view.get(path)] if path else _secret_policies(view, system)
    verdict = _answers_the_network_only(documents, action, system)
    if verdict is False:
        yield lacking(f"Whoever may {action} may do so from anywhere.")
    elif verdict is None:
        yield unsure(f"Nobody can tell whether {action} is answered within the network only.")


READ = {
    "AWS::ECR::Repository": ("ecr:BatchGetImage", "RepositoryPolicyText"),
    "AWS::KMS::Key": ("kms:Decrypt", "KeyPolicy"),
    "AWS::SecretsManager::Secret": ("secretsmanager:GetSecretValue", ""),
}
"""What reads the data of each type, and where its policy stands; empty where beside it."""


def _secret_policies(view: View, system: System) -> list[Any]:
    return [
        other.get("ResourcePolicy")
        for other in system.views("AWS::SecretsManager::ResourcePolicy")
        if other.get("SecretId") == f"${{{view.id}}}" and system.always(other.resource)
    ]


def _answers_the_network_only(documents: list[Any], action: str, system: System) -> bool | None:
    """Whether some statement denies an action to everybody who is not in the network."""
    keys = NETWORK_KEYS | {"aws:principalarn"}
    tests: list[bool | None] = []
    for document in documents:
        for statement in statements(document):
            on_all = action[:3] != "s3:" or any(
                resource == "*" or resource.endswith("/*") for resource in statement.resources
            )
            if not on_all or not denies(statement, [action], []):
                continue
            # What comes to a key through a service is for that service's own policy to judge.
            rest = tuple(each for each in statement.conditions if not _is_direct_use(each))
            placed = len(rest) < len(statement.conditions) or any(
                test.key in NETWORK_KEYS for test in rest
            )
            tests.append(placed and only_ours_pass(rest, system, keys, signed=True))
    return best(tests)


def _is_direct_use(condition: Condition) -> bool:
    """Whether a condition spares what comes to a key through a service, and nothing else."""
    return (condition.base, condition.key, condition.values) == (
        "Null",
        "kms:viaservice",
        ("true",),
    )
