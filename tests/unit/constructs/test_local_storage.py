import pytest
from botocore.loaders import Loader

from mlops_constructs.component_plan import Fleet, Share
from mlops_constructs.endpoint_variants import Variant
from mlops_constructs.local_storage import has_local_storage
from tests.unit.constructs.conftest import Bench
from tests.unit.constructs.test_component_endpoint import fleet
from tests.unit.constructs.test_model_endpoint import endpoint

DISKS = "ml.g5.xlarge"


# What EC2 says of each type that SageMaker has for endpoints, transform and processing jobs, as
# `aws ec2 describe-instance-types` lists it (InstanceStorageSupported). Of g7 and p6e-gb200 the
# list had nothing: a key that is refused ends a deployment, and one that is missing does not.
WITH_DISKS = [
    "c5d",
    "c6gd",
    "dl1",
    "g4dn",
    "g5",
    "g6",
    "g6e",
    "g7",
    "g7e",
    "m5d",
    "m6gd",
    "p4d",
    "p4de",
    "p5",
    "p5e",
    "p5en",
    "p6-b200",
    "p6-b300",
    "p6e-gb200",
    "r5d",
    "r6gd",
    "r7gd",
    "trn1",
    "trn1n",
    "trn2",
]
WITHOUT = [
    "c4",
    "c5",
    "c6g",
    "c6gn",
    "c6i",
    "c6in",
    "c7g",
    "c7i",
    "c7i-flex",
    "c8g",
    "c8i",
    "c8i-flex",
    "inf1",
    "inf2",
    "m4",
    "m5",
    "m6g",
    "m6i",
    "m7i",
    "m7i-flex",
    "m8g",
    "m8i",
    "m8i-flex",
    "p2",
    "p3",
    "r5",
    "r6g",
    "r6i",
    "r7i",
    "r8g",
    "r8i",
    "r8i-flex",
    "t2",
    "t3",
]
KINDS = ("ProductionVariantInstanceType", "ProcessingInstanceType", "TransformInstanceType")


@pytest.mark.parametrize("family", [*WITH_DISKS, "m6idn", "p3dn"])
def test_disks_of_its_own(family: str) -> None:
    assert has_local_storage(f"ml.{family}.xlarge")


@pytest.mark.parametrize("family", [*WITHOUT, "g5g"])
def test_volumes_alone(family: str) -> None:
    assert not has_local_storage(f"ml.{family}.xlarge")


def test_every_family_of_sagemakers_is_one_of_the_two() -> None:
    model = Loader().load_service_model("sagemaker", "service-2")
    types = {it for kind in KINDS for it in model["shapes"][kind]["enum"]}
    assert {it.split(".")[1] for it in types} == {*WITH_DISKS, *WITHOUT}


def keys(bench: Bench) -> list[bool]:
    """Whether each configuration has a key."""
    found = bench.template().find_resources("AWS::SageMaker::EndpointConfig").values()
    return ["KmsKeyId" in config["Properties"] for config in found]


def test_one_variant_with_disks_leaves_the_key_out(bench: Bench) -> None:
    containers = [bench.container()]
    endpoint(bench, variants=[Variant(containers), Variant(containers, "b", instance_type=DISKS)])
    assert keys(bench) == [False]
    assert "kms:CreateGrant" not in str(bench.template().to_json())


def test_a_fleet_with_disks_has_no_key(bench: Bench) -> None:
    fleet(bench, {"iris": Share()}, fleet=Fleet(DISKS))
    assert keys(bench) == [False]
