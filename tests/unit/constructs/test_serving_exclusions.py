from dataclasses import replace

import pytest

from mlops_constructs.serving_exclusions import EXCLUSIONS, Shape, exclusion_faults

INF1 = ("ml.inf1.xlarge",)
SERVERLESS = Shape(kind="serverless", strategy="all_at_once")
SHADOW = Shape(shadows=1)

EXCLUDED = [
    Shape(strategy="canary", instance_types=INF1),
    Shape(strategy="rolling", variants=2),
    replace(SERVERLESS, strategy="rolling"),
    replace(SERVERLESS, containers=2),
    replace(SERVERLESS, variants=2),
    replace(SERVERLESS, captured=True),
    replace(SERVERLESS, unpacked=True),
    Shape(kind="batch", unpacked=True),
    replace(SERVERLESS, scaled=True),
    Shape(kind="async", variants=2),
    Shape(kind="async", scaled=True),
    Shape(kind="components", strategy="canary"),
    Shape(kind="async", captured=True),
    Shape(kind="async", containers=2),
    Shape(kind="async", strategy="all_at_once", instance_types=INF1),
    Shape(kind="components", strategy="rolling", scaled=True),
    replace(SHADOW, variants=2),
    replace(SHADOW, kind="async"),
    replace(SHADOW, containers=2),
    replace(SHADOW, strategy="all_at_once", instance_types=INF1),
]
"""Of each exclusion, in their order, an endpoint that is both."""

ALLOWED = [
    Shape(kind="components", strategy="rolling", captured=True),
    Shape(),
    SERVERLESS,
    SHADOW,
    replace(SERVERLESS, strategy="canary"),
    Shape(strategy="all_at_once", instance_types=INF1),
    Shape(strategy="rolling", containers=15, scaled=True, captured=True, unpacked=True),
    Shape(kind="async", strategy="linear", unpacked=True),
    Shape(variants=10),
]


@pytest.mark.parametrize(("number", "shape"), list(enumerate(EXCLUDED)))
def test_each_is_found_by_itself(number: int, shape: Shape) -> None:
    (fault,) = exclusion_faults("endpoints.iris", shape)
    exclusion = EXCLUSIONS[number]
    assert fault.path == f"endpoints.iris.{exclusion.key}"
    assert exclusion.source in fault.allowed
    assert fault.fix == exclusion.fix


def test_none_is_left_out() -> None:
    assert len(EXCLUDED) == len(EXCLUSIONS)


@pytest.mark.parametrize("shape", ALLOWED)
def test_what_may_be_at_once(shape: Shape) -> None:
    assert list(exclusion_faults("", shape)) == []


def test_every_one_has_its_page_and_its_fix() -> None:
    for exclusion in EXCLUSIONS:
        assert exclusion.source.startswith("https://docs.aws.amazon.com/sagemaker/latest/")
        assert exclusion.reason.endswith(".")
        assert exclusion.fix.endswith(".")


def test_several_are_told_together() -> None:
    shape = Shape(kind="serverless", strategy="rolling", containers=2, variants=2)
    assert len(list(exclusion_faults("", shape))) == 4
