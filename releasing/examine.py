"""What speaks against the template that a release made, and what it changes."""

import json
import shutil
from pathlib import Path

from diffing.model import Naming
from operations.errors import OperationError
from releasing.services import Difference, Services
from releasing.stack import StackState, State
from stacks.platform_stack import DATA, NETWORK


def speaks_against(services: Services, made: Path) -> list[str]:
    """What the proof and cfn-lint find.

    It is proved with the stacks that it stands on, as they are deployed: a release makes none of
    them, and no other than these will be there.

    Parameters
    ----------
    services
        Whom to ask.
    made
        The template.

    Raises
    ------
    OperationError
        Where a stack that it stands on is not deployed.
    """
    folder = emptied(services.workspace / "build" / "proved")
    shutil.copy(made, folder)
    for stack in (NETWORK, DATA):
        template = services.any_stack(stack).template()
        if template is None:
            name = services.environment.name
            raise OperationError(
                f"The stack {stack}, which every endpoint stands on, is not deployed.",
                f"Deploy the platform first: make deploy ENV={name}.",
            )
        (folder / f"{stack}.template.json").write_text(json.dumps(template), encoding="utf-8")
    return services.check(folder, [made])


def difference(services: Services, stack: StackState, state: State, made: Path) -> Difference:
    """What a template changes of what is deployed.

    Parameters
    ----------
    services
        Whom to ask.
    stack, state
        Its stack, and how that is.
    made
        The template.
    """
    before, after = (emptied(services.workspace / "build" / it) for it in ("before", "after"))
    shutil.copy(made, after)
    deployed = stack.template() if state.there else None
    if deployed:
        (before / made.name).write_text(json.dumps(deployed), encoding="utf-8")
    return services.compare(before, after, Naming())


def emptied(folder: Path) -> Path:
    """A folder without what was in it.

    Parameters
    ----------
    folder
        The folder, which may be missing.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
