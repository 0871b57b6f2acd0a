"""All stacks of one environment, in the order they are deployed."""

from pathlib import Path

from aws_cdk import App

from stacks.api import ApiStack
from stacks.client import ClientAccessStack, ClientStack
from stacks.config import Environment
from stacks.data import DataStack
from stacks.foundation import Foundation
from stacks.managed_tracking import ManagedTrackingStack
from stacks.network import NetworkStack
from stacks.one_endpoint import add_endpoint
from stacks.platform_stack import DATA, NETWORK
from stacks.release import ReleaseStack
from stacks.releases import load_images
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
    network = NetworkStack(app, NETWORK, environment=environment)
    data = DataStack(app, DATA, environment=environment, network=network)
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
    foundation = Foundation.imported(app, environment, environment.endpoints)
    for name in sorted(environment.endpoints):
        left_out += add_endpoint(app, environment, releases, name, foundation, [network, data])
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
