"""The configuration of releases that follow the aliases of models."""

from typing import Annotated, Literal

from pydantic import Field

from stacks.access_config import User
from stacks.fields import Name, Section
from stacks.forms import quantity, text

MINUTES = {"min": 1.0, "h": 60.0}

RoleArn = Annotated[
    str,
    text(
        r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+",
        allowed="the ARN of a role",
        fix="Write it whole, such as 'arn:aws:iam::222222222222:role/delivery'.",
    ),
]


class SourceSettings(Section):
    """The environment whose serving versions are promoted here: its own file lets it be read."""

    environment: Name


class ReleaseSettings(Section):
    """The endpoints that are released when an alias moves, and who asks whom about it."""

    follow: Annotated[
        list[Name],
        Field(
            min_length=1, description="Endpoints that are released when an alias of theirs moves."
        ),
    ]
    run_by: Literal["aws", "outside"] = Field(
        "aws",
        description="Who releases what was promoted: the pipelines, or GitHub or GitLab outside.",
    )
    approve: bool = Field(True, description="Whether a person approves each release.")
    approve_platform: bool = Field(
        True, description="Whether a person approves each change of the platform itself."
    )
    reconcile: Annotated[int, quantity(MINUTES, minimum="1 min", maximum="24 h")] = 5
    login: Annotated[
        User, Field(description="The user of MLflow that reads aliases and writes tags.")
    ] = "release"
    image: Annotated[Name, Field(description="The image that releases run in.")] = "release"
    destructive: bool = Field(
        False, description="Whether a release may delete or replace what holds state."
    )
    promote_from: SourceSettings | None = None
    promote_to: Annotated[
        dict[Name, Annotated[list[RoleArn], Field(min_length=1)]],
        Field(description="Environments that this one is read for, and their roles that do it."),
    ] = {}
