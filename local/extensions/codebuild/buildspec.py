"""What a build does.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

PhaseName = Literal["install", "pre_build", "build", "post_build"]
PHASES: tuple[PhaseName, ...] = ("install", "pre_build", "build", "post_build")
"""In the order in which they run."""


class BuildspecError(Exception):
    """What of a buildspec is wrong, or does not run here."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.replace("_", "-"))


class Phase(BaseModel):
    """The commands of one phase."""

    model_config = ConfigDict(extra="forbid")

    commands: list[str] = []
    at_end: list[str] = Field(default=[], alias="finally")
    on_failure: Literal["ABORT", "CONTINUE"] | None = Field(default=None, alias="on-failure")
    runtime_versions: dict[str, Any] = Field(default={}, alias="runtime-versions")


class Files(_Part):
    """Files that a build leaves."""

    files: list[str]
    base_directory: str = "."
    exclude_paths: list[str] = []
    discard_paths: bool = False
    name: str | None = None


class Artifacts(Files):
    """What a build leaves: its own artifact, or several by their names."""

    files: list[str] = []
    secondary_artifacts: dict[str, Files] = {}


class Variables(_Part):
    """What the commands find in their environment, and which of it others may read."""

    shell: Literal["sh", "/bin/sh", "bash"] = "sh"
    variables: dict[str, str] = {}
    exported_variables: list[str] = []


class Buildspec(BaseModel):
    """A buildspec."""

    model_config = ConfigDict(extra="forbid")

    version: float = Field(ge=0.2, le=0.2)
    env: Variables = Variables()
    phases: dict[PhaseName, Phase] = {}
    artifacts: Artifacts = Artifacts()


def read_buildspec(text: str) -> Buildspec:
    """Read a buildspec.

    Parameters
    ----------
    text
        Its YAML.

    Raises
    ------
    BuildspecError
        Where it is none, or holds what does not run on this machine.

    Examples
    --------
    >>> spec = read_buildspec("{version: 0.2, phases: {build: {commands: [make]}}}")
    >>> spec.phases["build"].commands
    ['make']
    """
    try:
        return Buildspec.model_validate(YAML(typ="safe").load(text))
    except YAMLError as error:
        raise BuildspecError(f"The buildspec is no YAML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        )
        raise BuildspecError(f"The buildspec does not run here: {faults}") from error
