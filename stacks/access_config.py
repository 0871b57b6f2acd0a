"""The configuration of who may do what in MLflow."""

from typing import Annotated, Literal

from pydantic import Field

from stacks.fields import Name, Section
from stacks.forms import text

User = Annotated[
    str,
    text(
        r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}",
        allowed="letters, digits and '_.@+-', at most 64 of them",
        fix="Write a login name or a mail address, such as 'ana' or 'ana@bank.example'.",
    ),
]
Named = Annotated[
    str,
    text(
        r"\*|[^\s*](?:[^*]{0,248}[^\s*])?",
        allowed="a name, or '*' for all",
        fix="Write it as MLflow shows it; only '*' by itself is a pattern.",
    ),
]
Permission = Literal["read", "edit", "manage", "deny"]


class Team(Section):
    """Users who may do the same things in MLflow."""

    members: Annotated[list[User], Field(min_length=1)]
    create: bool = Field(False, description="Whether they may make experiments and models.")
    experiments: dict[Named, Permission] = {}
    models: dict[Named, Permission] = {}
    prompts: dict[Named, Permission] = {}


class Access(Section):
    """Who logs in to MLflow, and what for. Each user has a password in Secrets Manager."""

    default_permission: Literal["none", "read", "edit", "manage"] = Field(
        "none", description="What a user may do with what no team's permission names."
    )
    users: list[User] = []
    administrators: list[User] = []
    teams: dict[Name, Team] = {}
