"""All stacks of one environment, in the order they are deployed."""

import difflib
from pathlib import Path

from aws_cdk import App

from mlops_constructs.faults import Fault, raise_faults
from stacks.api import ApiStack
from stacks.client import ClientAccessStack, ClientStack
from stacks.config import Environment
from stacks.data import DataStack
from stacks.endpoint import EndpointStack
from stacks.endpoint_config import Endpoint
from stacks.endpoint_parts import unreleased
from stacks.managed_tracking import ManagedTrackingStack
from stacks.network import NetworkStack
from stacks.release import ReleaseStack
from stacks.releases import Release, load_images, load_release
from stacks.tracking import TrackingStack


def build_platform(app: App, environment: Environment, releases: Path) -> list[str]:
    """Add the stacks of `environment` to `app`.

    Parameters
    ----------
    app
        The app.
    environment
        The environment.
    releases
        Folder of the releases: what is not released there is left out.

    Returns
    -------
    list of str
        What was left out, and the command that mends it.

    Examples
    --------
    >>> build_platform(App(), environment, Path("releases"))  # doctest: +SKIP
    ["Endpoint-iris: not released yet; run 'make release ENV=dev ENDPOINT=iris'"]
    """
    images = load_images(releases, environment.name)
    network = NetworkStack(app, "Network", environment=environment)
    data = DataStack(app, "Data", environment=environment, network=network)
    left_out = []
    image = environment.tracking.image
    tracking: TrackingStack | ManagedTrackingStack | None = None
    if environment.tracking.kind == "sagemaker_app":
        tracking = ManagedTrackingStack(
            app, "Tracking", environment=environment, network=network, data=data
        )
    elif image in images:
        tracking = TrackingStack(
            app,
            "Tracking",
            environment=environment,
            network=network,
            data=data,
            digest=images[image],
        )
    else:
        left_out.append(
            f"Tracking: image '{image}' is not pushed yet; run 'make images ENV={environment.name}'"
        )
    for name in sorted(environment.endpoints):
        left_out += _add_endpoint(app, environment, releases, name, network, data)
    api = ApiStack(app, "Api", environment=environment, network=network, data=data)
    settings = environment.release
    if settings and settings.image not in images:
        left_out.append(
            f"Release: image '{settings.image}' is not pushed yet;"
            f" run 'make images ENV={environment.name}'"
        )
    elif settings and data.releases and isinstance(tracking, TrackingStack):
        ReleaseStack(
            app,
            "Release",
            environment=environment,
            settings=settings,
            network=network,
            data=data,
            store=data.releases,
            tracking=tracking,
            api=api,
            digest=images[settings.image],
        )
    elif settings:
        left_out.append("Release: stands on Tracking, which is left out too")
    for name, client in sorted(environment.clients.items()):
        if tracking:
            access = None
            if client.account:
                access = ClientAccessStack(
                    app,
                    f"ClientAccess-{name}",
                    environment=environment,
                    name=name,
                    network=network,
                    data=data,
                    tracking=tracking,
                ).access
            ClientStack(
                app,
                f"Client-{name}",
                environment=environment,
                name=name,
                network=network,
                data=data,
                tracking=tracking,
                access=access,
            )
        else:
            left_out.append(f"Client-{name}: stands on Tracking, which is left out too")
    return left_out


def build_endpoint(app: App, environment: Environment, releases: Path, name: str) -> list[str]:
    """Add the stack of one endpoint to `app`, and those that it stands on.

    Their templates are the very ones of `build_platform`: no stack changes those before it.

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
    network = NetworkStack(app, "Network", environment=environment)
    data = DataStack(app, "Data", environment=environment, network=network)
    return _add_endpoint(app, environment, releases, name, network, data)


def _add_endpoint(
    app: App,
    environment: Environment,
    releases: Path,
    name: str,
    network: NetworkStack,
    data: DataStack,
) -> list[str]:
    release = load_release(releases, environment.name, name)
    why = _unreleased(environment.endpoints[name], release)
    if why or not release:
        return [
            f"Endpoint-{name}: {why}; run 'make release ENV={environment.name} ENDPOINT={name}'"
        ]
    EndpointStack(
        app,
        f"Endpoint-{name}",
        environment=environment,
        name=name,
        release=release,
        network=network,
        data=data,
    )
    return []


def _unreleased(settings: Endpoint, release: Release | None) -> str:
    """Why an endpoint is left out; nothing where it is released as it is."""
    if release is None:
        return "not released yet"
    outdated = unreleased(settings, release)
    return f"its release is older than its {', '.join(outdated)}" if outdated else ""
