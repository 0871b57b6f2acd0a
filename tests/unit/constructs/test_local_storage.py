import pytest

from mlops_constructs.component_plan import Fleet, Share
from mlops_constructs.endpoint_variants import Variant
from mlops_constructs.local_storage import has_local_storage
from tests.unit.constructs.conftest import Bench
from tests.unit.constructs.test_component_endpoint import fleet
from tests.unit.constructs.test_model_endpoint import endpoint

DISKS = "ml.g5.xlarge"


@pytest.mark.parametrize(
    "family", ["m5d", "c7gd", "m6idn", "g4dn", "g5", "g6", "g6e", "p3dn", "p4d", "p4de", "trn1"]
)
def test_disks_of_its_own(family: str) -> None:
    assert has_local_storage(f"ml.{family}.xlarge")


@pytest.mark.parametrize("family", ["m5", "c7g", "m7i", "g5g", "inf1", "inf2", "p3", "t2", "r6g"])
def test_volumes_alone(family: str) -> None:
    assert not has_local_storage(f"ml.{family}.xlarge")


def keys(bench: Bench) -> list[bool]:
    """Whether each configuration has a key."""
    found = bench.template().find_resources("AWS::SageMaker::EndpointConfig").values()
    return ["KmsKeyId" in config["Properties"] for config in found]


def test_one_variant_with_disks_leaves_the_key_out(bench: Bench) -> None:
    containers = [bench.container()]
    endpoint(bench, variants=[Variant(containers), Variant(containers, "b", instance_type=DISKS)])
    assert keys(bench) == [False]


def test_a_fleet_with_disks_has_no_key(bench: Bench) -> None:
    fleet(bench, {"iris": Share()}, fleet=Fleet(DISKS))
    assert keys(bench) == [False]
