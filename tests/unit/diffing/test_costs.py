"""What a change costs in a month."""

from pathlib import Path
from typing import Any

import pytest

from diffing.costs import ENDPOINT, costs
from diffing.model import Cost
from diffing.prices import prices_of
from diffing.sides import Sides
from tests.conftest import ROOT
from tests.unit.diffing.builders import Resources, ref, resource, write

PRICES = {"ml.m5.large": 0.1, "db.t4g.small": 0.05, ENDPOINT: 0.01, "fargate-vcpu": 0.04}


def cost(folder: Path, before: Resources, after: Resources) -> list[Cost]:
    return costs(Sides(write(folder / "before", before), write(folder / "after", after)), PRICES)


def endpoint(count: int, kind: str = "ml.m5.large") -> Resources:
    variant = {"InstanceType": kind, "InitialInstanceCount": count}
    return {"It": resource("SageMaker::EndpointConfig", ProductionVariants=[variant])}


@pytest.mark.parametrize(
    ("body", "what", "dollars"),
    [
        (endpoint(2)["It"], "2 x ml.m5.large", 146.0),
        (
            resource("RDS::DBInstance", DBInstanceClass="db.t4g.small", MultiAZ=True),
            "2 x db.t4g.small",
            73.0,
        ),
        (
            resource("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b", "c"]),
            f"3 x {ENDPOINT}",
            21.9,
        ),
        (endpoint(1, "ml.p5.48xlarge")["It"], "1 x ml.p5.48xlarge", None),
    ],
)
def test_what_is_new_is_paid_for(
    body: dict[str, Any], what: str, dollars: float | None, tmp_path: Path
) -> None:
    (found,) = cost(tmp_path, {}, {"It": body})

    assert found.what == what
    assert found.before == 0
    assert found.after == (dollars if dollars is None else pytest.approx(dollars))


def test_what_is_paid_for_as_before_is_not_told(tmp_path: Path) -> None:
    assert cost(tmp_path, endpoint(2), endpoint(2)) == []


def test_more_of_the_same_is_told_with_what_it_was(tmp_path: Path) -> None:
    (found,) = cost(tmp_path, endpoint(2), endpoint(3))

    assert found.what == "3 x ml.m5.large (was 2 x ml.m5.large)"
    assert found.before == pytest.approx(146.0)
    assert found.after == pytest.approx(219.0)


def test_a_service_is_paid_for_by_its_tasks_size(tmp_path: Path) -> None:
    def service(cpu: str) -> Resources:
        return {
            "Task": resource("ECS::TaskDefinition", Cpu=cpu, Memory="2048"),
            "It": resource("ECS::Service", DesiredCount=2, TaskDefinition=ref("Task")),
        }

    (found,) = cost(tmp_path, service("512"), service("1024"))

    assert found.path == "Stack/It"
    assert found.what.startswith("2 x fargate-vcpu, 4 x fargate-gib (was 1 x fargate-vcpu")
    assert found.after is None


def test_prices_are_what_the_environment_says(tmp_path: Path) -> None:
    text = (ROOT / "environments" / "dev.yaml").read_text()
    (tmp_path / "dev.yaml").write_text(
        text + "\nprices:\n  ml.m5.large: 0.12 USD/h\n  kms-key: 1 USD/month\n  t: 0.000123 USD/h\n"
    )

    prices = prices_of("dev", tmp_path)

    assert prices["ml.m5.large"] == pytest.approx(0.12)
    assert prices["kms-key"] * 730 == pytest.approx(1)
    assert prices["t"] == pytest.approx(0.000123)
    assert prices[ENDPOINT] == pytest.approx(0.014)
    assert prices_of("", tmp_path) == {}
