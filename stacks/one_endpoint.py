"""One endpoint of an environment: by itself, or among the others."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from aws_cdk import App, Stack

from mlops_constructs.faults import Fault, raise_faults
from stacks.config import Environment
from stacks.endpoint import EndpointStack
from stacks.endpoint_config import Endpoint
from stacks.endpoint_parts import unreleased
from stacks.foundation import Foundation
from stacks.releases import Release, load_release


def build_endpoint(app: App, environment: Environment, releases: Path, name: str) -> list[str]:
    """Add the stack of one endpoint to `app`, by itself.

    Its template is the very one of `build_platform`. What it stands on is deployed.

    Parameters
    ----------
    app
        The app.
    environment
        The environment.
    releases
        Folder of the releases.
    name
        Name of the endpoint.

    Returns
    -------
    list of str
        What was left out, and the command that mends it.

    Raises
    ------
    FaultsError
        Where the environment has no such endpoint.

    Examples
    --------
    >>> build_endpoint(App(), environment, Path("releases"), "iris")  # doctest: +SKIP
    []
    """
    if name not in environment.endpoints:
        known = sorted(environment.endpoints)
        near = difflib.get_close_matches(name, known, n=1)
        fix = f"Did you mean '{near[0]}'?" if near else "Choose one of them."
        raise_faults("only", [Fault("only", f"'{name}'", " or ".join(known) or "none", fix)])
    foundation = Foundation.imported(app, environment, [name])
    return add_endpoint(app, environment, releases, name, foundation)


def add_endpoint(
    app: App,
    environment: Environment,
    releases: Path,
    name: str,
    foundation: Foundation,
    before: Sequence[Stack] = (),
) -> list[str]:
    """Add the stack of one endpoint to `app`, if it is released.

    Parameters
    ----------
    app
        The app.
    environment
        The environment.
    releases
        Folder of the releases.
    name
        Name of the endpoint.
    foundation
        What it stands on.
    before
        Stacks of the app that are deployed before it.

    Returns
    -------
    list of str
        What was left out, and the command that mends it.
    """
    release = load_release(releases, environment.name, name)
    why = _unreleased(environment.endpoints[name], release)
    if why or not release:
        return [
            f"Endpoint-{name}: {why}; run 'make release ENV={environment.name} ENDPOINT={name}'"
        ]
    stack = EndpointStack(
        app,
        f"Endpoint-{name}",
        environment=environment,
        name=name,
        release=release,
        foundation=foundation,
    )
    for other in before:
        stack.add_stack_dependency(other)
    return []


def _unreleased(settings: Endpoint, release: Release | None) -> str:
    """Why an endpoint is left out; nothing where it is released as it is."""
    if release is None:
        return "not released yet"
    outdated = unreleased(settings, release)
    return f"its release is older than its {', '.join(outdated)}" if outdated else ""
