"""Ways to data at rest: buckets, their presigned URLs, snapshots and images."""

from collections.abc import Iterator
from typing import Any

from proof.model import Question
from proof.system.policies import matches, statements
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
    tests: list[bool | None] = []
    for other in system.views("AWS::S3::BucketPolicy"):
        if other.get("Bucket") not in (reference, name) or not system.always(other.resource):
            continue
        for statement in statements(other.get("PolicyDocument")):
            whole = any(matches(action, "s3:GetObject") for action in statement.actions) and any(
                resource == "*" or resource.endswith("/*") for resource in statement.resources
            )
            if whole and denies(statement, [], []):
                keys = NETWORK_KEYS | {"aws:principalarn"}
                network = any(test.key in NETWORK_KEYS for test in statement.conditions)
                tests.append(
                    network and only_ours_pass(statement.conditions, system, keys, signed=True)
                )
    verdict = best(tests)
    if verdict is False:
        yield lacking("The bucket answers presigned URLs from anywhere.")
    elif verdict is None:
        yield unsure("Nobody can tell whether the bucket answers to endpoints of ours only.")
