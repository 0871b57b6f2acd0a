"""Who may log in to MLflow: the passwords, and the declaration of what each may do."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from mlops_constructs.acknowledgment import acknowledge
from mlops_constructs.encryption_key import grant_through
from mlops_constructs.faults import Fault, raise_faults
from mlops_constructs.naming import ADMINISTRATOR, Naming
from mlops_constructs.platform_role import grant

PASSWORD_LENGTH = 32

PERMISSIONS = {"none": "NO_PERMISSIONS", "read": "READ", "edit": "EDIT", "manage": "MANAGE"}
"""What MLflow calls what a user may do with what no permission names."""


@dataclass(frozen=True)
class Grant:
    """One permission of a team.

    Parameters
    ----------
    kind
        ``experiment``, ``registered_model`` or ``prompt``.
    name
        Its name, or ``*`` for all.
    permission
        ``read``, ``edit``, ``manage`` or ``deny``.
    """

    kind: str
    name: str
    permission: str


@dataclass(frozen=True)
class Team:
    """Users who may do the same things.

    Parameters
    ----------
    members
        Names of its users.
    create
        Whether they may make experiments and models.
    grants
        What they may do.
    """

    members: Sequence[str]
    create: bool
    grants: Sequence[Grant]


class TrackingAccess(Construct):
    """A password for each user of MLflow, and the key that signs sessions.

    The passwords are generated, and stand nowhere but in Secrets Manager: who may read which is
    for the account's own policies to say. They are carried into MLflow's tables by the
    preparation of each deployment, together with the teams and their permissions.

    Parameters
    ----------
    scope, construct_id
        Where the construct stands in the tree.
    naming
        What the secrets' names start with.
    key
        Encrypts the secrets.
    users
        Names of the users, beside the one administrator who is always there.
    administrators
        Those of them who may do everything.
    teams
        Teams of them, by name.
    default_permission
        What a user may do with what no permission names: nothing.
    webhooks
        Whether the registry has webhooks, whose secrets are encrypted in the database: no.
    removal_policy
        What happens to the secrets with their stack: they are kept.

    Attributes
    ----------
    administrator : aws_cdk.aws_secretsmanager.ISecret
        Name and password of the administrator, as JSON.
    session : aws_cdk.aws_secretsmanager.ISecret
        The key that signs sessions.
    webhooks : aws_cdk.aws_secretsmanager.ISecret or None
        The key that encrypts the secrets of webhooks, where there are any.
    users : dict of str to aws_cdk.aws_secretsmanager.ISecret
        Name and password of each user, as JSON.

    Raises
    ------
    FaultsError
        With everybody who is named and is no user.

    Examples
    --------
    >>> access = TrackingAccess(  # doctest: +SKIP
    ...     stack, "Access", naming=naming, key=key, users=["ana"], teams={})
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        naming: Naming,
        key: kms.IKey,
        users: Sequence[str] = (),
        administrators: Sequence[str] = (),
        teams: Mapping[str, Team] | None = None,
        default_permission: str = "none",
        webhooks: bool = False,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        teams = teams or {}
        raise_faults(self.node.path, _faults(users, administrators, teams, default_permission))
        self._key = key
        self._removal_policy = removal_policy
        self._administrators = frozenset(administrators)
        self._teams = dict(teams)
        self._default_permission = default_permission
        self._naming = naming
        self.administrator = self._login("Administrator", ADMINISTRATOR)
        self.users = {user: self._login(f"User-{user}", user) for user in sorted(users)}
        self.session = self._secret("Session", None, "Signs MLflow's sessions")
        acknowledge(
            self.session,
            "It signs the forms of MLflow's pages, which ask for a login all the same: who learns"
            " it can open nothing with it.",
            *_ROTATION,
        )
        self.webhooks = self._webhook_key() if webhooks else None

    def _webhook_key(self) -> secretsmanager.Secret:
        secret = self._secret("Webhooks", None, "Encrypts the secrets of MLflow's webhooks")
        acknowledge(
            secret,
            "What it encrypts stands in the database: another value would make that unreadable."
            " Whoever replaces it runs 'make webhook' afterwards.",
            *_ROTATION,
        )
        return secret

    def _login(self, construct_id: str, user: str) -> secretsmanager.Secret:
        secret = self._secret(construct_id, user, f"Login of {user} to MLflow")
        acknowledge(
            secret,
            "A person or a program holds it: changing it behind their back locks them out. Whoever"
            " replaces its value has the next deployment carry it into MLflow.",
            *_ROTATION,
        )
        return secret

    def _secret(self, construct_id: str, user: str | None, says: str) -> secretsmanager.Secret:
        template = {"username": user} if user else None
        return secretsmanager.Secret(
            self,
            construct_id,
            secret_name=self._naming.login(user) if user else None,
            description=says,
            encryption_key=self._key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=PASSWORD_LENGTH,
                exclude_punctuation=True,
                secret_string_template=json.dumps(template) if template else None,
                generate_string_key="password" if template else None,
            ),
            removal_policy=self._removal_policy,
        )

    @property
    def secrets(self) -> list[secretsmanager.ISecret]:
        """Every secret, to be closed to the outside."""
        return [self.administrator, *self._keys, *self.users.values()]

    @property
    def _keys(self) -> list[secretsmanager.ISecret]:
        """What the server itself reads."""
        return [self.session, *([self.webhooks] if self.webhooks else [])]

    @property
    def server_environment(self) -> dict[str, str]:
        """What the server is told of it."""
        key = {"WEBHOOK_KEY_SECRET_ARN": self.webhooks.secret_arn} if self.webhooks else {}
        return {
            "SESSION_SECRET_ARN": self.session.secret_arn,
            "DEFAULT_PERMISSION": PERMISSIONS[self._default_permission],
            **key,
        }

    @property
    def preparation_environment(self) -> dict[str, str]:
        """What applies it is told: names and permissions, and where the passwords are."""
        return {
            "ADMINISTRATOR_SECRET_ARN": self.administrator.secret_arn,
            "ACCESS": json.dumps(self._declaration(), sort_keys=True, separators=(",", ":")),
        }

    def _declaration(self) -> dict[str, object]:
        users = {
            user: {"secret": secret.secret_arn, "administrator": user in self._administrators}
            for user, secret in self.users.items()
        }
        teams = {
            name: {
                "members": sorted(team.members),
                "create": team.create,
                "grants": [
                    {"kind": grant.kind, "name": grant.name, "permission": grant.permission.upper()}
                    for grant in sorted(team.grants, key=lambda grant: (grant.kind, grant.name))
                ],
            }
            for name, team in self._teams.items()
        }
        return {"users": users, "teams": teams}

    def grant_read_keys(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` read the key of sessions, and that of webhooks."""
        return self._grant_read(grantee, self._keys)

    def grant_read_logins(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let `grantee` read every password."""
        return self._grant_read(grantee, [self.administrator, *self.users.values()])

    def _grant_read(
        self, grantee: iam.IGrantable, secrets: Sequence[secretsmanager.ISecret]
    ) -> iam.Grant:
        read = grant(
            grantee=grantee,
            actions=["secretsmanager:GetSecretValue"],
            resource_arns=[secret.secret_arn for secret in secrets],
        )
        return read.combine(grant_through(self._key, grantee, "secretsmanager", "kms:Decrypt"))


def _faults(
    users: Sequence[str],
    administrators: Sequence[str],
    teams: Mapping[str, Team],
    default_permission: str,
) -> list[Fault]:
    named = {"administrators": administrators} | {
        f"teams.{name}.members": team.members for name, team in teams.items()
    }
    known = ", ".join(sorted(users)) or "none is declared"
    faults = [
        Fault(path, f"'{user}'", f"some of users: {known}", "Add it to users.")
        for path, members in named.items()
        for user in sorted(set(members) - set(users))
    ]
    if default_permission not in PERMISSIONS:
        allowed = ", ".join(PERMISSIONS)
        faults.append(
            Fault("default_permission", f"'{default_permission}'", allowed, "Choose one.")
        )
    return faults


_ROTATION = (
    "AwsSolutions-SMG4",
    "NIST.800.53.R5-SecretsManagerRotationEnabled",
    "HIPAA.Security-SecretsManagerRotationEnabled",
)
