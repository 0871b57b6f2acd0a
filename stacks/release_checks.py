"""Rules of releases: what can be followed, and whether MLflow lets their user do it."""

from collections.abc import Iterator

from mlops_constructs.faults import Fault
from mlops_constructs.followed_aliases import LONGEST, size
from mlops_constructs.naming import Naming
from stacks.container_config import ONLY, Container, model_name
from stacks.endpoint_views import all_served
from stacks.managed_checks import MANAGED, is_managed, of_the_server
from stacks.validation import Check, Parts

# Three resources each of a stack's 500, and two rules of the 300 that an account has by default.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
MOST_FOLLOWED = 100
"""Endpoints that one environment may follow: all of their pipelines stand in one stack."""

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LONGEST_ROLE_NAME = 64

EDITING = ("edit", "manage")


def _follow_faults(parts: Parts) -> Iterator[Fault]:
    follow = [name for name in parts.get("release.follow", []) if name]
    endpoints = parts.get("endpoints", {})
    for name in sorted({name for name in follow if follow.count(name) > 1}):
        yield Fault("release.follow", f"'{name}' twice", "each once", "Remove one.")
    if len(follow) > MOST_FOLLOWED:
        yield Fault(
            "release.follow",
            f"{len(follow)} endpoints",
            f"at most {MOST_FOLLOWED}: their pipelines and rules stand in one stack",
            "Release some of them with 'make release', or have a second environment.",
        )
    followed = _aliases(parts)
    told = {name: followed[name] for name in follow if name in followed}
    if size(told) > LONGEST:
        yield Fault(
            "release.follow",
            f"{len(told)} endpoints, whose names and models take {size(told)} bytes",
            f"at most {LONGEST} bytes: a function is told of them in its variables",
            "Shorten the names of endpoints or models, or release some with 'make release'.",
        )
    for name in dict.fromkeys(follow):
        if name not in endpoints:
            known = ", ".join(endpoints) or "none is declared"
            yield Fault(
                "release.follow",
                f"'{name}'",
                f"some of endpoints: {known}",
                f"Add '{name}' to endpoints, or mend the name.",
            )
        elif name not in followed:
            yield Fault(
                "release.follow",
                f"'{name}', whose models have no alias",
                "an endpoint with a model such as 'models:/<name>@<alias>'",
                f"Give a model of endpoints.{name} an alias, or do not follow it.",
            )


def _login_faults(parts: Parts) -> Iterator[Fault]:
    """The user is there, and may tag the models: MLflow asks for 'edit' for that."""
    match parts:
        case {"release.login": str(login), "tracking.access.users": [*users]} if None not in users:
            if login not in users:
                known = ", ".join(users) or "none is declared"
                yield Fault(
                    "release.login",
                    f"'{login}'",
                    f"one of tracking.access.users: {known}",
                    f"Add '{login}' to tracking.access.users, or choose another.",
                )
                return
            followed = _aliases(parts)
            for name in dict.fromkeys(parts.get("release.follow", [])):
                for model in map(model_name, followed.get(name, {}).values()):
                    if not _may_edit(parts, login, model):
                        yield Fault(
                            "release.login",
                            f"'{login}', who may not edit the model '{model}'",
                            f"a user who may edit the models of '{name}'",
                            "Add the user to a team whose 'models' has it, or '*', with 'edit'.",
                        )


def _may_edit(parts: Parts, user: str, model: str) -> bool:
    """Whether MLflow lets a user edit a model: a denial of any team is stronger than all else."""
    teams = [
        team
        for team in parts.get("tracking.access.teams", {}).values()
        if user in team.get("members", [])
    ]
    granted = [
        permission
        for team in teams
        for name, permission in team.get("models", {}).items()
        if name in (model, "*")
    ]
    if user in parts.get("tracking.access.administrators", []):
        return True
    by_default = parts.get("tracking.access.default_permission") in EDITING
    return "deny" not in granted and (
        any(permission in EDITING for permission in granted) or (by_default and not granted)
    )


def _source_faults(parts: Parts) -> Iterator[Fault]:
    match parts:
        case {"name": name, "release.promote_from.environment": source} if source == name:
            yield Fault(
                "release.promote_from.environment",
                f"'{source}', which is this environment",
                "another environment",
                "Name the one before it, or remove the key.",
            )


def _target_faults(parts: Parts) -> Iterator[Fault]:
    """Each target is another environment, of one account, whose role's name fits."""
    for target, readers in (parts.get("release.promote_to") or {}).items():
        path = f"release.promote_to.{target}"
        if target == parts.get("name"):
            yield Fault(
                path,
                "this environment",
                "another environment",
                "Name the one after it, or remove the key.",
            )
        for reader in sorted({it for it in readers if readers.count(it) > 1}):
            yield Fault(path, f"'{reader}' twice", "each role once", "Remove one.")
        accounts = sorted({reader.split(":")[4] for reader in readers})
        if len(accounts) > 1:
            yield Fault(
                path,
                f"roles of {len(accounts)} accounts: {', '.join(accounts)}",
                "roles of one account, that of the environment: who promotes works there",
                "Remove the others.",
            )
        match parts:
            case {"name": name, "platform": platform}:
                role = Naming(platform, name).promotion(target)
                if len(role) > LONGEST_ROLE_NAME:
                    yield Fault(
                        path,
                        f"'{target}', which makes the role '{role}'",
                        f"at most {LONGEST_ROLE_NAME} characters in the role's name",
                        "Rename the environment that is promoted to.",
                    )


def _kind_faults(parts: Parts) -> Iterator[Fault]:
    if "release" in parts.written and is_managed(parts):
        yield Fault(
            "release",
            f"releases that follow aliases, with tracking.kind '{MANAGED}'",
            "nothing: AWS's App says nothing of an alias to an address in the VPC",
            "Remove it, and release with 'make release'; or choose tracking.kind: fargate.",
        )


def _aliases(parts: Parts) -> dict[str, dict[str, str]]:
    """The models by an alias that each endpoint has, by container."""
    found: dict[str, dict[str, str]] = {}
    for path, _, container in all_served(parts):
        if container.model and "@" in container.model:
            found.setdefault(path.split(".")[1], {})[_part(path, container)] = container.model
    return found


def _part(path: str, container: Container) -> str:
    """What a container is called in a release."""
    match path.split(".")[2:]:
        case ["variants", name, *_] | ["components", "models", name, *_]:
            return f"{name}.{container.name}".rstrip(".")
    return container.name or ONLY


RELEASE_CHECKS: tuple[Check, ...] = (
    _kind_faults,
    _follow_faults,
    of_the_server(_login_faults),
    _source_faults,
    _target_faults,
)
