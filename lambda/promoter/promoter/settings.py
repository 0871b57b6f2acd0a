"""What the function's environment says: its contract with the stack that makes it."""

import base64
import bz2
import os
from collections.abc import Mapping
from dataclasses import dataclass

NAMES = ("RELEASE_BUCKET", "TRACKING_URI", "LOGIN_SECRET_ARN", "WEBHOOK_SECRET_ARN", "FOLLOWED")
REFERENCE = "models:/"
PACKED = "bz2:"
"""What FOLLOWED starts with where it is packed."""


@dataclass(frozen=True)
class Alias:
    """An alias of a registered model.

    Parameters
    ----------
    model
        Name of the model.
    name
        Name of the alias.
    """

    model: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Alias":
        """Read ``<model>@<alias>``.

        Raises
        ------
        ValueError
            Where it is something else.

        Examples
        --------
        >>> Alias.parse("iris@champion")
        Alias(model='iris', name='champion')
        """
        model, _, name = text.partition("@")
        if not (model and name):
            raise ValueError(f"'{text}' is no <model>@<alias>")
        return cls(model, name)

    def __str__(self) -> str:
        return f"{REFERENCE}{self.model}@{self.name}"


@dataclass(frozen=True)
class Settings:
    """The function's settings.

    Parameters
    ----------
    bucket
        Where promotions are written.
    tracking_uri
        MLflow's address.
    login_secret
        The secret with the name and the password of MLflow's user who reads aliases.
    webhook_secret
        The secret that MLflow signs with.
    followed
        The alias of each container whose model follows one, by container, by endpoint.
    """

    bucket: str
    tracking_uri: str
    login_secret: str
    webhook_secret: str
    followed: Mapping[str, Mapping[str, Alias]]

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings.

        Parameters
        ----------
        environment
            Where from; the function's own environment.

        Raises
        ------
        ValueError
            Where one is missing or wrong: the function is not deployed as its stack says.
        """
        missing = [name for name in NAMES if not environment.get(name)]
        if missing:
            raise ValueError(f"{', '.join(missing)} must be set in the function's environment")
        bucket, uri, login, webhook, followed = (environment[name] for name in NAMES)
        return cls(bucket, uri.rstrip("/"), login, webhook, _followed(followed))


def _followed(text: str) -> dict[str, dict[str, Alias]]:
    """Read ``<endpoint>=<container>:<model>@<alias>,...;...``, which may be packed."""
    try:
        if text.startswith(PACKED):
            text = bz2.decompress(base64.b85decode(text.removeprefix(PACKED))).decode()
        return {
            endpoint: {
                container: Alias.parse(alias)
                for container, alias in (pair.split(":") for pair in containers.split(","))
            }
            for endpoint, containers in (said.split("=") for said in text.split(";"))
        }
    except (OSError, ValueError) as error:
        raise ValueError(f"FOLLOWED names no alias by container, by endpoint: {error}") from error
