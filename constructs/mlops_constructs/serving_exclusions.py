"""What an endpoint cannot be at once: the documented exclusions, as data.

SageMaker mostly says so while it deploys, or falls back to less than was asked for. Here it is said
before anything is synthesized.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mlops_constructs.faults import Fault

Kind = Literal["realtime", "serverless", "async", "components", "batch"]

GUIDE = "https://docs.aws.amazon.com/sagemaker/latest/dg"
API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference"
MAIN = "main"
"""The variant of an endpoint that has one."""

MOST_VARIANTS = 10
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html"""

INFERENTIA_1 = "ml.inf1."


@dataclass(frozen=True)
class Shape:
    """What an endpoint is, as far as one thing excludes another.

    Parameters
    ----------
    kind
        How it is provided with capacity, and asked.
    strategy
        How it is updated.
    variants
        The variants that answer.
    shadows
        The variants that get copies.
    instance_types
        What it runs on.
    containers
        The largest number of containers of a variant.
    unpacked
        Whether files of a model stand below a prefix, and not in an archive.
    scaled
        Whether instances are added and taken away.
    captured
        Whether requests and answers are kept.
    """

    kind: Kind = "realtime"
    strategy: str = "canary"
    variants: int = 1
    shadows: int = 0
    instance_types: Sequence[str] = ()
    containers: int = 1
    unpacked: bool = False
    scaled: bool = False
    captured: bool = False

    @property
    def inferentia_1(self) -> bool:
        """Whether it runs on AWS's first Inferentia."""
        return any(it.startswith(INFERENTIA_1) for it in self.instance_types)


@dataclass(frozen=True)
class Exclusion:
    """Two things of which an endpoint can be one.

    Parameters
    ----------
    one, other
        The two, in words.
    key
        The key of an endpoint that says the second.
    reason
        What AWS does of it.
    fix
        What to do instead.
    source
        The page that says so.
    holds
        Whether an endpoint is both.
    """

    one: str
    other: str
    key: str
    reason: str
    fix: str
    source: str
    holds: Callable[[Shape], bool]


GUARD_RAILS = f"{GUIDE}/deployment-guardrails-exclusions.html"
SERVERLESS = f"{GUIDE}/serverless-endpoints.html"
SHADOWS = f"{GUIDE}/shadow-tests-exclusions.html"
ONE_SHADOW = f"{GUIDE}/shadow-tests-create.html"
QUEUE = f"{GUIDE}/async-inference-autoscale.html"
COMPONENTS = f"{API}/API_InferenceComponentDeploymentConfig.html"
ZERO = f"{GUIDE}/endpoint-auto-scaling-zero-instances.html"
FILES = f"{API}/API_ContainerDefinition.html"
CONFIG = f"{API}/API_CreateEndpointConfig.html"
FEATURES = f"{GUIDE}/model-deploy-feature-matrix.html"

EXCLUSIONS: Sequence[Exclusion] = (
    Exclusion(
        "canary, linear or rolling",
        "Inf1 instances",
        "deployment.strategy",
        "SageMaker falls back to all at once, and watches nothing.",
        "Choose 'all_at_once', or another instance type.",
        GUARD_RAILS,
        lambda it: it.strategy != "all_at_once" and it.inferentia_1,
    ),
    Exclusion(
        "rolling",
        "several variants",
        "deployment.strategy",
        "SageMaker falls back to all at once, and watches nothing.",
        "Choose 'canary' or 'linear'.",
        GUARD_RAILS,
        lambda it: it.strategy == "rolling" and it.variants + it.shadows > 1,
    ),
    Exclusion(
        "rolling",
        "serverless",
        "deployment.strategy",
        "SageMaker falls back to all at once, and watches nothing.",
        "Choose 'all_at_once' or 'canary'.",
        GUARD_RAILS,
        lambda it: it.strategy == "rolling" and it.kind == "serverless",
    ),
    Exclusion(
        "serverless",
        "several containers",
        "kind",
        "Serverless endpoints have no inference pipelines.",
        "Choose 'realtime', or do all of it in one container.",
        SERVERLESS,
        lambda it: it.kind == "serverless" and it.containers > 1,
    ),
    Exclusion(
        "serverless",
        "several variants",
        "kind",
        "Serverless endpoints have one variant.",
        "Choose 'realtime'.",
        SERVERLESS,
        lambda it: it.kind == "serverless" and it.variants + it.shadows > 1,
    ),
    Exclusion(
        "serverless",
        "data capture",
        "capture",
        "Serverless endpoints capture nothing.",
        "Remove it, or choose 'realtime'.",
        SERVERLESS,
        lambda it: it.kind == "serverless" and it.captured,
    ),
    Exclusion(
        "serverless",
        "files below a prefix",
        "kind",
        "Serverless endpoints take archives alone.",
        "Pack the files into a .tar.gz of the artifact bucket, and name that as the model.",
        FILES,
        lambda it: it.kind == "serverless" and it.unpacked,
    ),
    Exclusion(
        "batch",
        "files below a prefix",
        "kind",
        "Batch transform takes archives alone.",
        "Pack the files into a .tar.gz of the artifact bucket, and name that as the model.",
        FILES,
        lambda it: it.kind == "batch" and it.unpacked,
    ),
    Exclusion(
        "serverless",
        "scaling",
        "scaling",
        "Serverless endpoints have no instances to add.",
        "Remove it: 'serverless.concurrency' is the bound.",
        SERVERLESS,
        lambda it: it.kind == "serverless" and it.scaled,
    ),
    Exclusion(
        "asynchronous",
        "several variants",
        "kind",
        "One queue has the instances of one variant.",
        "Choose 'realtime', or an endpoint for each.",
        QUEUE,
        lambda it: it.kind == "async" and it.variants > 1,
    ),
    Exclusion(
        "asynchronous",
        "scaling",
        "scaling",
        "Instances follow the queue.",
        "Remove it: 'async' has the bounds.",
        QUEUE,
        lambda it: it.kind == "async" and it.scaled,
    ),
    Exclusion(
        "inference components",
        "canary, linear or all at once",
        "deployment.strategy",
        "Copies of a component are replaced in batches.",
        "Choose 'rolling', or leave it out.",
        COMPONENTS,
        lambda it: it.kind == "components" and it.strategy != "rolling",
    ),
    Exclusion(
        "asynchronous",
        "data capture",
        "capture",
        "Asynchronous endpoints capture nothing.",
        "Remove it: what they are asked and answer stands in the bucket.",
        FEATURES,
        lambda it: it.kind == "async" and it.captured,
    ),
    Exclusion(
        "asynchronous",
        "several containers",
        "kind",
        "Asynchronous endpoints have no inference pipelines.",
        "Choose 'realtime' or 'batch', or do all of it in one container.",
        FEATURES,
        lambda it: it.kind == "async" and it.containers > 1,
    ),
    Exclusion(
        "asynchronous",
        "Inf1 instances",
        "instance",
        "Asynchronous endpoints have no such instances.",
        "Choose another instance type.",
        FEATURES,
        lambda it: it.kind == "async" and it.inferentia_1,
    ),
    Exclusion(
        "inference components",
        "scaling of instances",
        "scaling",
        "SageMaker adds the instances that the copies need.",
        "Remove it: 'components' has the bounds.",
        ZERO,
        lambda it: it.kind == "components" and it.scaled,
    ),
    Exclusion(
        "a shadow",
        "two variants that answer, or another shadow",
        "variants",
        "With a shadow, one variant answers, and one is the shadow.",
        "Leave one of each.",
        ONE_SHADOW,
        lambda it: it.shadows > 0 and (it.variants > 1 or it.shadows > 1),
    ),
    Exclusion(
        "a shadow",
        "serverless or asynchronous",
        "kind",
        "SageMaker refuses the endpoint.",
        "Choose 'realtime'.",
        SHADOWS,
        lambda it: it.shadows > 0 and it.kind in ("serverless", "async"),
    ),
    Exclusion(
        "a shadow",
        "several containers",
        "variants",
        "SageMaker refuses the endpoint.",
        "Compare endpoints instead, or do all of it in one container.",
        SHADOWS,
        lambda it: it.shadows > 0 and it.containers > 1,
    ),
    Exclusion(
        "a shadow",
        "Inf1 instances",
        "instance",
        "SageMaker refuses the endpoint.",
        "Choose another instance type.",
        SHADOWS,
        lambda it: it.shadows > 0 and it.inferentia_1,
    ),
)
"""Every exclusion that concerns what this platform makes; it makes no Marketplace containers."""


def exclusion_faults(path: str, shape: Shape) -> Iterator[Fault]:
    """What an endpoint cannot be at once.

    Parameters
    ----------
    path
        What a fault calls the endpoint; with nothing, its keys alone are named.
    shape
        What it is to be.
    """
    for exclusion in EXCLUSIONS:
        if exclusion.holds(shape):
            yield Fault(
                f"{path}.{exclusion.key}" if path else exclusion.key,
                f"{exclusion.one}, with {exclusion.other}",
                f"one of the two: {exclusion.reason} {exclusion.source}",
                exclusion.fix,
            )
