"""The configuration of releases that follow the aliases of models."""

from typing import Annotated

from pydantic import Field

from stacks.access_config import User
from stacks.fields import Name, Section
from stacks.forms import quantity

MINUTES = {"min": 1.0, "h": 60.0}


class ReleaseSettings(Section):
    """The endpoints that are released when an alias moves, and who asks whom about it."""

    follow: Annotated[
        list[Name],
        Field(
            min_length=1, description="Endpoints that are released when an alias of theirs moves."
        ),
    ]
    approve: bool = Field(True, description="Whether a person approves each release.")
    reconcile: Annotated[int, quantity(MINUTES, minimum="1 min", maximum="24 h")] = 5
    login: Annotated[
        User, Field(description="The user of MLflow that reads aliases and writes tags.")
    ] = "release"
    image: Annotated[Name, Field(description="The image that releases run in.")] = "release"
    promote_from: Annotated[
        Name | None, Field(description="The environment whose serving records are promoted here.")
    ] = None
