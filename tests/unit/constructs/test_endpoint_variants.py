import pytest

from mlops_constructs.endpoint_variants import Variant, variant_faults
from mlops_constructs.serverless_capacity import Serverless
from tests.unit.constructs.conftest import Bench


def paths(*variants: Variant) -> list[str]:
    return [fault.path for fault in variant_faults("variants", variants)]


def test_one_answers_at_least(bench: Bench) -> None:
    one = bench.container()
    assert paths() == ["variants"]
    assert paths(Variant([one], shadow=True)) == ["variants"]
    assert paths(Variant([one], weight=0)) == ["variants"]
    assert paths(Variant([one])) == []


def test_ten_at_most_each_of_its_name(bench: Bench) -> None:
    one = bench.container()
    many = [Variant([one], name=f"v{number}") for number in range(11)]
    assert paths(*many[:10]) == []
    assert paths(*many) == ["variants"]
    assert paths(many[0], many[0]) == ["variants"]


@pytest.mark.parametrize(
    ("capacity", "key"),
    [
        (Serverless(memory_mib=1536), "memory"),
        (Serverless(memory_mib=7168), "memory"),
        (Serverless(concurrency=201), "concurrency"),
        (Serverless(concurrency=2, provisioned=3), "provisioned"),
    ],
)
def test_capacity_that_aws_does_not_provide(bench: Bench, capacity: Serverless, key: str) -> None:
    variant = Variant([bench.container()], serverless=capacity, instance_count=0)
    assert paths(variant) == [f"variants.main.serverless.{key}"]
