"""A cloud assembly of the whole platform: its stacks in their order, and what they are made of."""

import json
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENDPOINT, CLIENTS = "Endpoint-", ("ClientAccess-", "Client-")
CORE, LAST = ("Network", "Data", "Tracking", "Api"), "Release"
"""What everything stands on, in this order; and what runs the deployment itself."""

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Stack:
    """A stack of an assembly.

    Parameters
    ----------
    id
        What it is called in the app.
    template
        File of its template.
    needs
        The stacks that are deployed before it.
    """

    id: str
    template: str
    needs: frozenset[str]

    @property
    def endpoint(self) -> str:
        """The endpoint that it holds; empty for any other stack."""
        return endpoint_of(self.id)


class Assembly:
    """A cloud assembly.

    Parameters
    ----------
    folder
        Where it is.

    Examples
    --------
    >>> Assembly(Path("cdk.out")).order(deployed=set())  # doctest: +SKIP
    ('Network', 'Data', 'Tracking', 'Api', 'Endpoint-iris', 'Release')
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        stacks = {name for name, it in self._manifest["artifacts"].items() if _is_stack(it)}
        self.stacks = {
            name: Stack(
                name,
                Path(artifact["properties"]["templateFile"]).name,
                frozenset(stacks.intersection(artifact.get("dependencies", ()))),
            )
            for name, artifact in self._manifest["artifacts"].items()
            if name in stacks
        }

    def order(self, deployed: Collection[str]) -> tuple[str, ...]:
        """The stacks to deploy, each after what it needs.

        Those of clients are deployed by choice: they are among them where they are deployed.

        Parameters
        ----------
        deployed
            The stacks that are deployed.
        """
        rest = {it for it in self.stacks if not it.startswith(CLIENTS) or it in deployed}
        placed: list[str] = []
        while rest:
            ready = [it for it in rest if not self.stacks[it].needs & rest]
            placed.append(min(ready, key=_rank))
            rest.remove(placed[-1])
        return tuple(placed)

    def templates(self, stacks: Collection[str]) -> list[Path]:
        """The templates of some stacks."""
        return [self.folder / self.stacks[it].template for it in stacks]

    def copy(self, target: Path, stacks: Collection[str]) -> None:
        """Write what a comparison needs of some stacks: their templates, and whose they are.

        Parameters
        ----------
        target
            A folder.
        stacks
            The stacks.
        """
        for template in self.templates(stacks):
            shutil.copy(template, target)
        artifacts = self._manifest["artifacts"]
        manifest = {**self._manifest, "artifacts": {it: artifacts[it] for it in stacks}}
        (target / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def endpoint_of(stack: str) -> str:
    """The endpoint that a stack holds; empty for any other stack."""
    return stack.removeprefix(ENDPOINT) if stack.startswith(ENDPOINT) else ""


def _is_stack(artifact: dict[str, Any]) -> bool:
    return bool(artifact["type"] == "aws:cloudformation:stack")


def _rank(stack: str) -> tuple[int, str]:
    """Where a stack stands among those that could be next."""
    kinds: tuple[Callable[[str], bool], ...] = (
        *(it.__eq__ for it in CORE),
        lambda it: it != LAST and not it.startswith((ENDPOINT, *CLIENTS)),
        lambda it: it.startswith(ENDPOINT),
        lambda it: it.startswith(CLIENTS),
        LAST.__eq__,
    )
    return next(place for place, fits in enumerate(kinds) if fits(stack)), stack
