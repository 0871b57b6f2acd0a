"""Secrets as Secrets Manager keeps them: versions that carry labels, and values that are JSON.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from rotator.errors import RotationError

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"

CLONE = "_clone"
"""What the name of the second of two alternating users ends with."""

# Of all punctuation this leaves , - . = ^ _ which no quoting, shell or address gives a meaning;
# the password that CDK has generated at first is of the same characters.
EXCLUDED = " %+~`#$&*()|[]{}:;<>?!'/@\"\\"
LENGTH = 30
PARTS = ("username", "password", "host", "port", "dbname")


@dataclass(frozen=True)
class Login:
    """What a version of a secret holds.

    Parameters
    ----------
    values
        ``username``, ``password``, ``host``, ``port``, ``dbname``, and ``masterarn`` where another
        secret's user sets this one's password.
    """

    values: Mapping[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, text: str, arn: str) -> "Login":
        """Read the value of a secret.

        Parameters
        ----------
        text
            The value.
        arn
            The secret, for messages.

        Raises
        ------
        RotationError
            Where it is no JSON object, or lacks a part, which is then named.
        """
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise RotationError(f"The value of {arn} is no JSON object. Put the login back there.")
        missing = [part for part in PARTS if not values.get(part)]
        if missing:
            raise RotationError(f"The value of {arn} lacks {', '.join(missing)}. Put it back.")
        return cls(values)

    @property
    def user(self) -> str:
        """Who logs in."""
        return str(self.values["username"])

    @property
    def password(self) -> str:
        """By which password."""
        return str(self.values["password"])

    @property
    def host(self) -> str:
        """Where the database answers."""
        return str(self.values["host"])

    @property
    def port(self) -> int:
        """On which port."""
        return int(self.values["port"])

    @property
    def database(self) -> str:
        """The database that is opened."""
        return str(self.values["dbname"])

    @property
    def master(self) -> str:
        """The secret whose user sets this one's password; this user itself where empty."""
        return str(self.values.get("masterarn") or "")

    @property
    def next_user(self) -> str:
        """Who logs in after a rotation: the other of two users, or the same one."""
        if not self.master:
            return self.user
        return self.user.removesuffix(CLONE) if self.user.endswith(CLONE) else self.user + CLONE

    def successor(self, password: str) -> "Login":
        """What follows this login: all of it, but the user and the password."""
        return Login({**self.values, "username": self.next_user, "password": password})


class Secrets:
    """The secrets that a rotation reads and writes.

    Parameters
    ----------
    client
        A client of Secrets Manager.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def labels(self, arn: str) -> dict[str, list[str]]:
        """The labels of each version of a secret.

        Raises
        ------
        RotationError
            Where the secret does not rotate.
        """
        described = self._client.describe_secret(SecretId=arn)
        if not described.get("RotationEnabled"):
            raise RotationError("The secret does not rotate. Turn its rotation on.")
        labels: dict[str, list[str]] = described.get("VersionIdsToStages", {})
        return labels

    def current(self, arn: str) -> Login:
        """The login that is in use.

        Raises
        ------
        RotationError
            Where there is none.
        """
        login = self._value(arn, CURRENT)
        if login is None:
            raise RotationError(f"{arn} has no current value. Put the login that is in use there.")
        return login

    def pending(self, arn: str) -> Login | None:
        """The login that follows, or nothing where it is not made yet."""
        return self._value(arn, PENDING)

    def put(self, arn: str, token: str, login: Login) -> None:
        """Keep `login` as the one that follows. The first that is kept under a token stays."""
        try:
            self._client.put_secret_value(
                SecretId=arn,
                ClientRequestToken=token,
                SecretString=json.dumps(login.values),
                VersionStages=[PENDING],
            )
        except ClientError as error:
            if _code(error) != "ResourceExistsException":
                raise

    def promote(self, arn: str, token: str, current: str) -> None:
        """Make a version the current one; Secrets Manager labels the former as the previous.

        Parameters
        ----------
        arn, token
            The secret, and its version.
        current
            The version that is current until now.
        """
        # AWSPENDING stays: taken off here, it would tell Secrets Manager that the rotation failed.
        self._client.update_secret_version_stage(
            SecretId=arn,
            VersionStage=CURRENT,
            MoveToVersionId=token,
            RemoveFromVersionId=current,
        )

    def password(self) -> str:
        """A new password, which Secrets Manager makes."""
        made = self._client.get_random_password(PasswordLength=LENGTH, ExcludeCharacters=EXCLUDED)
        return str(made["RandomPassword"])

    def _value(self, arn: str, label: str) -> Login | None:
        try:
            found = self._client.get_secret_value(SecretId=arn, VersionStage=label)
        except ClientError as error:
            if _code(error) != "ResourceNotFoundException":
                raise
            return None
        text = found.get("SecretString")
        return Login.parse(text, arn) if text else None


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
