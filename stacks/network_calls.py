"""What is called from inside the network of an environment: its endpoints follow from that."""

from collections.abc import Sequence

from mlops_constructs.inference_api import InferenceApi
from mlops_constructs.managed_tracking import ManagedTracking
from mlops_constructs.model_invoker import ModelInvoker
from mlops_constructs.promotion_receiver import PromotionReceiver
from mlops_constructs.release_builds import ReleaseBuilds
from mlops_constructs.secret_rotation import SecretRotation
from mlops_constructs.service_call import ServiceCall
from mlops_constructs.tracking_server import TrackingServer
from stacks.config import Environment
from stacks.endpoint_calls import ENDPOINT_CALLS
from stacks.workloads import workload_calls

# Nothing here follows from what is released: a stack that comes later changes no endpoint.
_TRACKING = {
    "fargate": (*TrackingServer.CALLS, *SecretRotation.CALLS),
    "sagemaker_app": ManagedTracking.CALLS,
}
"""What each kind of MLflow calls, or is called by."""
_OTHERS = (
    *ENDPOINT_CALLS,
    *ModelInvoker.CALLS,
    *InferenceApi.CALLS,
)
"""What the rest of the platform calls."""
_RELEASES = (
    *TrackingServer.WEBHOOK_CALLS,
    *PromotionReceiver.CALLS,
    *ReleaseBuilds.CALLS,
)
"""What releases that follow aliases call."""


def network_calls(environment: Environment) -> Sequence[ServiceCall]:
    """Every call of everything that runs inside the network.

    Parameters
    ----------
    environment
        The environment.
    """
    return (
        *_TRACKING[environment.tracking.kind],
        *_OTHERS,
        *(_RELEASES if environment.release else ()),
        *workload_calls(environment.network.workloads),
    )
