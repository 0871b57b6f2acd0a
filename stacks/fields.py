"""The kinds of fields that sections of an environment share."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict

from mlops_constructs.service_call import SERVICES
from stacks.forms import text

Name = Annotated[
    str,
    text(
        r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*",
        allowed="lower-case letters, digits and single hyphens",
        fix="Rename it, such as 'fraud-score'.",
    ),
]
Reason = Annotated[
    str,
    text(
        r"\S.{18,}\S",
        allowed="a reason of at least 20 characters",
        fix="Say why this environment may do without the safe default.",
    ),
]


Zone = Annotated[
    str,
    text(
        r"[a-z]{2}(?:-[a-z]+)+-\d[a-z]",
        allowed="an availability zone of the region",
        fix="Write the region and a letter, such as 'ap-northeast-1a'.",
    ),
]
Service = Annotated[
    str,
    text(
        "|".join(map(re.escape, SERVICES)),
        allowed=", ".join(SERVICES),
        fix="Write it as VPC endpoints name it.",
    ),
]
RolePattern = Annotated[
    str,
    text(
        r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/*-]+",
        allowed="the ARN of a role, which may end in '*'",
        fix="Write it whole, such as 'arn:aws:iam::111111111111:role/delivery'.",
    ),
]


class Section(BaseModel):
    """A mapping of the file: unknown keys are faults, and nothing changes after parsing."""

    model_config = ConfigDict(extra="forbid", frozen=True)
